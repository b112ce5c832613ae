"""Models that users bring: read without trusting a byte, rebuilt by our own constructors, and saved anew.

The way of an upload (each module is one idea):

    importing        the order of the steps, and what comes out
    reader           a confined process that unpacks the file and turns its HDF5 weights into plain numbers
    strict_json      the description as JSON, under limits
    allow_list       every named thing of the description must be one that we know
    graph            the description as layers and calls, every argument checked (arguments, layers)
    sizes            shapes, parameters and work, before anything is built
    matching         which stored array belongs to which weight
    builder          a confined process that builds the network, assigns the numbers, tries it and saves our copy
    confinement      what a confined process may not do
"""
