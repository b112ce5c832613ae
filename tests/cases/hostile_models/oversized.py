"""Networks and descriptions that would require too much memory or time."""

import json
from pathlib import Path

from tests.cases.hostile_models.attack import Attack, hostile
from tests.cases.hostile_models.files import called_on_tokens, keras_file, layer, network


@hostile("from 1 to")
def dense_of_a_billion(attack: Attack) -> Path:
    return keras_file(attack, network(units=10**9))


@hostile("parameters")
def dense_on_dense(attack: Attack) -> Path:
    inner = [layer("Dense", "wide", "input", units=2**20), layer("Dense", "on", "wide", units=2**20)]
    return keras_file(attack, network(*inner, last="on"))


@hostile("values between two layers")
def picture_of_a_terapixel(attack: Attack) -> Path:
    inner = [layer("UpSampling2D", f"up{n}", f"up{n - 1}" if n else "input", size=[64, 64]) for n in range(4)]
    return keras_file(attack, network(*inner, last="up3"))


@hostile("multiply-adds")
def work_without_end(attack: Attack) -> Path:
    inner = [layer("UpSampling2D", "up", "input", size=[64, 64])]
    inner += [
        layer("Conv2D", f"c{n}", f"c{n - 1}" if n else "up", filters=256, kernel_size=[31, 31], padding="same")
        for n in range(4)
    ]
    return keras_file(attack, network(*inner, last="c3"))


@hostile("5,000 layers")
def hundred_thousand_layers(attack: Attack) -> Path:
    nodes = [
        {
            "class_name": "Identity",
            "config": {},
            "name": f"i{n}",
            "inbound_nodes": [[[f"i{n - 1}" if n else "input", 0, 0, {}]]],
        }
        for n in range(100_000)
    ]
    return keras_file(attack, json.dumps(network(*nodes, last="i99999"), separators=(",", ":")))


@hostile("at most")
def description_of_forty_megabytes(attack: Attack) -> Path:
    return keras_file(attack, json.dumps(network())[:-1] + ', "x": "' + "x" * (40 * 2**20) + '"}')


@hostile("deeper")
def json_of_5000_levels(attack: Attack) -> Path:
    return keras_file(attack, json.dumps(network())[:-1] + ', "x": ' + "[" * 5000 + "]" * 5000 + "}")


@hostile("deeper")
def json_of_a_million_levels(attack: Attack) -> Path:
    return keras_file(attack, '{"x":' * 10**6 + "1" + "}" * 10**6)


@hostile("levels deep")
def models_within_models(attack: Attack) -> Path:
    tree = network()
    for number in range(12):
        inner = {**layer("Functional", f"sub{number}", "input"), "config": tree["config"]}
        tree = network(inner, last=f"sub{number}")
    return keras_file(attack, tree)


@hostile("twice in one object")
def json_with_a_key_twice(attack: Attack) -> Path:
    return keras_file(attack, json.dumps(network())[:-1] + ', "class_name": "Lambda"}')


@hostile("NaN")
def json_with_nan(attack: Attack) -> Path:
    return keras_file(attack, json.dumps(network(layer("Rescaling", "r", "input", scale=float("nan")), last="r")))


@hostile("64 bits")
def json_with_a_huge_number(attack: Attack) -> Path:
    return keras_file(attack, network(units=10**400))


@hostile("JSON")
def description_is_no_json(attack: Attack) -> Path:
    return keras_file(attack, "{" * 10)


@hostile("values between two layers")
def attention_over_every_pixel(attack: Attack) -> Path:
    """With 512 × 512 positions, each head would compute 7e10 attention scores."""
    attention = layer("MultiHeadAttention", "evil", None, num_heads=4, key_dim=1)
    inner = [layer("UpSampling2D", "up", "input", size=[64, 64]), called_on_tokens(attention, "up", "up")]
    return keras_file(attack, network(*inner, last="evil"))


@hostile("values between two layers")
def additive_attention_over_every_pixel(attack: Attack) -> Path:
    inner = [
        layer("UpSampling2D", "up", "input", size=[32, 32]),
        layer("Reshape", "flat", "up", target_shape=[-1, 3]),
        layer("AdditiveAttention", "evil", ["flat", "flat"]),
    ]
    return keras_file(attack, network(*inner, last="evil"))


@hostile("from 1 to")
def crop_of_a_terapixel(attack: Attack) -> Path:
    return keras_file(attack, network(layer("RandomCrop", "evil", "input", height=10**6, width=10**6), last="evil"))


@hostile("from 1 to")
def augmentation_without_end(attack: Attack) -> Path:
    return keras_file(attack, network(layer("AugMix", "evil", "input", num_chains=10**9), last="evil"))
