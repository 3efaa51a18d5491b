"""Stands before scikit-learn on the path of the processes that tests start.

Keras imports it where it is installed, and no command of ours does: that would take a
second of each process.
"""

raise ImportError("tests start their processes without scikit-learn")
