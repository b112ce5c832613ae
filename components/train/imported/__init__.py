"""Models that users bring: read without trusting a byte, rebuilt by our own constructors, and saved anew.

The way of an upload (each module is one idea):

    importing        the order of the steps
    facts            what is told of an upload
    loading          our copy as a Keras network, whole or cut
    wiring           our copy put on a tensor of one's own, flat, for training to go on from
    inspection       a confined process that reads the file and plans its network
    reader           the part of it that unpacks the file and turns its HDF5 weights into plain numbers
    strict_json      the description as JSON, under limits
    allow_list       every named thing of the description must be one that we know
    layers           the kinds of layers that we know (their arguments, shapes)
    description      the description as a graph of layers and calls (graph, operations), every argument checked
    sizes            shapes, parameters and work, before anything is built
    matching         which stored array belongs to which weight
    builder          a confined process that builds the network, assigns the numbers, tries it and saves our copy
    architecture     the network of a file of weights only
    preprocessing    what its photos must be, as far as it tells
    confinement      what a confined process may not do
"""
