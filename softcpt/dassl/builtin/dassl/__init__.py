"""The built-in engine: Dassl's public names, for machines on which no Dassl is installed.

Same names, random draws and log lines as Dassl 0.6.3 (https://github.com/KaiyangZhou/Dassl.pytorch,
MIT), whose source was read to match them. It covers what trainers and data sets of the CoOp family
import. Never import it by path: call ``softcpt.dassl.activate()`` and ``import dassl``.
"""

__version__ = "0.6.3"
