"""`darkroom images`: builds the container images, pushes them to a registry, and pins what they need."""

import argparse
from collections.abc import Callable

from pipelines.images.build import IMAGES, PUBLIC_BASE

Verb = Callable[[str, Callable[[argparse.Namespace], int], str], argparse.ArgumentParser]


def add_images(verb: Verb) -> None:
    """Adds `darkroom images build`, `darkroom images push` and `darkroom images pin`."""
    images = verb("images", _build_images, "build the container images, push them to a registry, or pin what they need")
    actions = images.add_subparsers(title="actions", metavar="ACTION", required=True)

    def action(name: str, run: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        action_parser = actions.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        action_parser.set_defaults(verb=run)
        return action_parser

    build = action("build", _build_images, "build all images, or those that are named, and print their sizes")
    build.add_argument("--base-image", default=PUBLIC_BASE, metavar="IMAGE", help="default: %(default)s")
    build.add_argument("--network", help="the network of the build, such as host; default: Docker's")
    build.add_argument("--index-url", metavar="URL", help="a package index of your own; put no password in it")
    build.add_argument("--offline", action="store_true", help="take packages from the folder wheels/ alone")

    push = action("push", _push_images, "push the images and print their digests, which `darkroom submit` then uses")
    push.add_argument("registry", metavar="REGISTRY", help="such as registry.example.org/team")

    pin = action(
        "pin", _pin_images, "write the digests of the base image and of k8s/'s public images behind their tags"
    )

    for parser in (build, push):
        parser.add_argument("--image", action="append", choices=IMAGES, help="only this one; may be repeated")
        parser.add_argument("--gpu", action="store_true", help="the image of train that holds CUDA")
    for parser in (build, push, pin):
        parser.add_argument("--json", action="store_true", help="print the result as JSON on standard output")


def _build_images(arguments: argparse.Namespace) -> int:
    from pipelines.cli import show
    from pipelines.images import build as images

    options = images.BuildOptions(
        base_image=arguments.base_image,
        gpu=arguments.gpu,
        network=arguments.network,
        index_url=arguments.index_url,
        offline=arguments.offline,
    )
    sizes = {}
    for image in arguments.image or images.IMAGES:
        gpu = arguments.gpu and image == "train"
        sizes[images.image_name(image, gpu=gpu)] = images.build(image, options)
        show.line(f"Its bill of materials: {images.write_sbom(image, gpu=gpu)}", to_stderr=True)
    if arguments.json:
        show.as_json(sizes)
    else:
        for name, size in sizes.items():
            print(f"{name:<40} {show.megabytes(size):>12}")
    return 0


def _push_images(arguments: argparse.Namespace) -> int:
    from pipelines.cli import show
    from pipelines.images import build as images

    digests = {}
    for image in arguments.image or images.IMAGES:
        digests[image] = images.push(image, arguments.registry, gpu=arguments.gpu and image == "train")
    images.write_digests(digests)
    if arguments.json:
        show.as_json(digests)
    else:
        print(*digests.values(), sep="\n")
    return 0


def _pin_images(arguments: argparse.Namespace) -> int:
    from pipelines.cli import show
    from pipelines.images import pins

    digests = pins.pin()
    if arguments.json:
        show.as_json(digests)
    else:
        print(*(f"{name}@{digest}" for name, digest in digests.items()), sep="\n")
    return 0
