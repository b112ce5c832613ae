"""The verdict on a candidate: data for those who promote, never an exception."""

from dataclasses import dataclass

from components.contract.evaluation import CHAMPION, Verdict


@dataclass(frozen=True)
class Champion:
    """The registered version that stands now."""

    version: str
    mlflow_run_id: str | None


def judge(model_name: str) -> Verdict:
    """Says whether a candidate of this name may be promoted, with the reasons in plain words.

    Args:
        model_name: of the registered model.
    """
    try:
        champion = find_champion(model_name)
    except Exception as error:  # MLflow raises its own, requests' and SQLAlchemy's errors alike
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        return Verdict(verdict="not comparable", reasons=(
            f"The model registry could not be asked whether {model_name} has a champion: {reason}.",
        ))  # fmt: skip
    if champion is None:
        return Verdict(verdict="first", reasons=(f"No version of {model_name} is the champion yet.",))
    return Verdict(verdict="not comparable", reasons=(
        f"Version {champion.version} of {model_name} stands as champion (MLflow run {champion.mlflow_run_id}), and "
        "Darkroom does not score both on the same photos yet.",
    ))  # fmt: skip


def find_champion(model_name: str) -> Champion | None:
    """The version that the registry calls champion, None where there is none.

    Raises:
        Exception: the registry does not answer, in MLflow's or its libraries' own words.
    """
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    client = MlflowClient()
    try:
        version = client.get_registered_model(model_name).aliases.get(CHAMPION)
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise
    return Champion(version, client.get_model_version(model_name, version).run_id) if version else None
