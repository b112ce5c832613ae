"""Model files that refer to vocabularies, addresses or files outside the network."""

import zipfile
from pathlib import Path

from tests.cases.hostile_models.attack import Attack, hostile
from tests.cases.hostile_models.files import honest, keras_file, layer, network


@hostile("StringLookup")
def vocabulary_file(attack: Attack) -> Path:
    vocabulary = str(attack.outside / "secret.txt")
    return keras_file(attack, network(layer("StringLookup", "evil", "input", vocabulary=vocabulary), last="evil"))


@hostile("TextVectorization")
def vocabulary_address(attack: Attack) -> Path:
    address = f"http://127.0.0.1:{attack.port}/vocabulary.txt"
    return keras_file(attack, network(layer("TextVectorization", "evil", "input", vocabulary=address), last="evil"))


@hostile("vocabulary")
def vocabulary_of_a_known_layer(attack: Attack) -> Path:
    return keras_file(attack, network(vocabulary=str(attack.outside / "secret.txt")))


@hostile("assets/vocabulary.txt")
def files_beside_the_network(attack: Attack) -> Path:
    path = honest(attack)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("assets/vocabulary.txt", "secret")
    return path
