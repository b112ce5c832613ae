"""Model files that try to run code when loaded."""

import base64
import marshal
import pickle
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from tests.cases.hostile_models.attack import Attack, compiled, hostile
from tests.cases.hostile_models.files import called_on_tokens, keras_file, layer, legacy_file, network


@hostile("Lambda")
def lambda_at_top(attack: Attack) -> Path:
    return keras_file(attack, network(layer("Lambda", "evil", "input", function=attack.function), last="evil"))


@hostile("Lambda")
def lambda_in_a_submodel(attack: Attack) -> Path:
    inner = network(layer("Lambda", "evil", "input", function=attack.function), last="evil")
    return keras_file(attack, network({**layer("Functional", "sub", "input"), "config": inner["config"]}, last="sub"))


@hostile("TimeDistributed")
def lambda_in_a_wrapper(attack: Attack) -> Path:
    inner = layer("Lambda", "evil", None, function=attack.function)
    return keras_file(attack, network(layer("TimeDistributed", "wrapper", "input", layer=inner), last="wrapper"))


@hostile("Lambda")
def lambda_hidden_in_an_argument(attack: Attack) -> Path:
    return keras_file(attack, network(kernel_initializer=layer("Lambda", "evil", None, function=attack.function)))


@hostile("__lambda__")
def lambda_in_an_initializer(attack: Attack) -> Path:
    return keras_file(attack, network(bias_initializer=attack.function))


@hostile("__lambda__")
def lambda_in_an_activation(attack: Attack) -> Path:
    return keras_file(attack, network(activation=attack.function))


@hostile("__lambda__")
def lambda_in_a_regularizer(attack: Attack) -> Path:
    return keras_file(attack, network(kernel_regularizer=attack.function))


@hostile("__lambda__")
def lambda_in_a_build_config(attack: Attack) -> Path:
    tree = network()
    tree["config"]["layers"][2]["build_config"] = {"input_shape": attack.function}
    return keras_file(attack, tree)


@hostile("Lambda")
def lambda_in_a_legacy_file(attack: Attack) -> Path:
    code = base64.b64encode(marshal.dumps((lambda x: x).__code__)).decode()
    evil = layer("Lambda", "evil", "input", function=[code, None, None], function_type="lambda", module="os")
    return legacy_file(attack, network(evil, last="evil"))


@hostile("'os'")
def foreign_module(attack: Attack) -> Path:
    tree = network()
    tree["config"]["layers"][1] |= {"module": "os", "class_name": "Flatten"}
    return keras_file(attack, tree)


@hostile("system")
def foreign_function_as_layer(attack: Attack) -> Path:
    evil = {**layer("system", "evil", "input", command=f"touch {attack.marker}"), "module": "os"}
    return keras_file(attack, network(evil, last="evil"))


@hostile("eval")
def builtin_as_object(attack: Attack) -> Path:
    evil = {"module": "builtins", "class_name": "eval", "config": attack.source, "registered_name": None}
    return keras_file(attack, network(kernel_constraint=evil))


@hostile("function")
def function_as_activation(attack: Attack) -> Path:
    evil = {"module": "builtins", "class_name": "function", "config": "subprocess.run", "registered_name": "function"}
    return keras_file(attack, network(activation=evil))


@hostile("'Custom>Dense'")
def registered_name_of_another(attack: Attack) -> Path:
    tree = network()
    tree["config"]["layers"][-1]["registered_name"] = "Custom>Dense"
    return keras_file(attack, tree)


@hostile("MyModel")
def subclassed_model(attack: Attack) -> Path:
    return keras_file(attack, {**network(), "class_name": "MyModel", "module": "evil", "registered_name": "MyModel"})


@hostile("download")
def keras_function_of_utils(attack: Attack) -> Path:
    """Keras' deny list once allowed every name in keras, including its download function."""
    evil = {
        "module": "keras.utils",
        "class_name": "download",
        "registered_name": None,
        "config": {"origin": f"http://127.0.0.1:{attack.port}/", "fname": str(attack.marker)},
    }
    return keras_file(attack, network(bias_constraint=evil))


@hostile("TFSMLayer")
def saved_model_layer(attack: Attack) -> Path:
    return keras_file(attack, network(layer("TFSMLayer", "evil", "input", filepath=str(attack.outside)), last="evil"))


@hostile("TorchModuleWrapper")
def pickled_torch_module(attack: Attack) -> Path:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return eval, (attack.source,)

    module = base64.b64encode(pickle.dumps(Evil())).decode()
    return keras_file(attack, network(layer("TorchModuleWrapper", "evil", "input", module=module), last="evil"))


@hostile("JaxLayer")
def jax_function(attack: Attack) -> Path:
    return keras_file(attack, network(layer("JaxLayer", "evil", "input", call_fn=attack.function), last="evil"))


@hostile("begins with")
def bare_pickle(attack: Attack) -> Path:
    path = attack.folder / "model.h5"
    path.write_bytes(pickle.dumps({"weights": [1, 2, 3]}, protocol=5))
    return path


@compiled
def lambda_in_the_loss(attack: Attack) -> Path:
    return keras_file(attack, network(compile_config={"optimizer": "adam", "loss": attack.function}))


@compiled
def lambda_in_a_metric(attack: Attack) -> Path:
    metric = {"class_name": "MeanMetricWrapper", "config": {"name": "m", "fn": attack.function}}
    return keras_file(attack, network(compile_config={"metrics": [metric]}))


@compiled
def lambda_in_a_legacy_loss(attack: Attack) -> Path:
    return legacy_file(attack, network(), {"loss": attack.function, "optimizer_config": None})


@compiled
def lambda_in_the_optimizer_of_a_submodel(attack: Attack) -> Path:
    inner = network()
    sub = {**layer("Functional", "sub", "input"), "config": inner["config"]}
    sub["compile_config"] = {"optimizer": attack.function}
    return keras_file(attack, network(compile_config={"optimizer": {"class_name": "Mine>Warm", "config": sub}}))


@compiled
def numbers_and_texts_that_no_network_has(attack: Attack) -> Path:
    return keras_file(attack, network(compile_config={"loss": "x" * 100_000, "weights": [float("nan"), 10**40]}))


@compiled
def attributes_that_are_no_text(attack: Attack) -> Path:
    path = legacy_file(attack, network(), {"loss": "x"})
    with h5py.File(path, "a") as file:
        file.attrs["training_config"] = np.zeros(10)
        file["optimizer_weights/link"] = h5py.ExternalLink(str(attack.outside / "secret.h5"), "/secret")
    return path


@hostile("unknown argument")
def function_in_an_attention_layer(attack: Attack) -> Path:
    attention = layer("MultiHeadAttention", "evil", None, num_heads=1, key_dim=1, call_fn="os.system")
    return keras_file(attack, network(called_on_tokens(attention), last="evil"))


@hostile("__lambda__")
def lambda_in_an_augmentation_layer(attack: Attack) -> Path:
    return keras_file(attack, network(layer("RandAugment", "evil", "input", factor=attack.function), last="evil"))


@hostile("never runs code from an upload")
def layer_in_a_pipeline(attack: Attack) -> Path:
    inner = layer("Evil", "inner", None)
    return keras_file(attack, network(layer("RandomErasing", "evil", "input", fill_value=inner), last="evil"))


@hostile("Pipeline: it contains other layers")
def lambda_in_a_pipeline(attack: Attack) -> Path:
    inner = layer("Lambda", "inner", None, function=attack.function)
    return keras_file(attack, network(layer("Pipeline", "evil", "input", layers=[inner]), last="evil"))


@hostile("registered as")
def attention_layer_of_somebody(attack: Attack) -> Path:
    attention = {**layer("Attention", "evil", ["input", "input"]), "registered_name": "Mine>Attention"}
    return keras_file(attack, network(attention, last="evil"))
