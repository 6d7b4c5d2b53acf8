"""The built-in engine: Dassl's public names, for machines on which no Dassl is installed.

Written from Dassl 0.6.3's behaviour (https://github.com/KaiyangZhou/Dassl.pytorch), not from its code. It covers what
trainers and data sets of the CoOp family import. Never import it by path: call ``softcpt.dassl.activate()`` and
``import dassl``.
"""

__version__ = "0.6.3"
