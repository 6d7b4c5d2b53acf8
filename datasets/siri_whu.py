"""SIRI-WHU (Google images)."""

from dassl.data.datasets import DATASET_REGISTRY

from softcpt.data.scenes import SceneDataset
from softcpt.data.source import Source


@DATASET_REGISTRY.register()
class SIRIWHU(SceneDataset):
    """Land use in Chinese cities, 200 x 200 pixels: 12 classes of 200.
    ``SIRI-WHU/12class_tif/<class>/0001.tif``."""

    dataset_dir = "SIRI-WHU"
    aliases = ("Google dataset of SIRI-WHU_earth_im_tiff",)
    task_name = "Chinese city land use image classification"
    num_classes = 12
    sizes = (1200, 480, 720)
    sources = (
        Source(
            "http://www.lmars.whu.edu.cn/prof_web/zhongyanfei/e-code.html",
            "Google dataset of SIRI-WHU_earth_im_tiff.zip",
            "manual",
            unpack_to=".",
            note="take the Google image dataset; unpack 12class_tif/ into SIRI-WHU/",
        ),
    )
    licence = "research use"
    citation = (
        "Zhu et al.: Bag-of-visual-words scene classifier with local and global features. GRSL 2016"
    )
    homepage = "http://www.lmars.whu.edu.cn/prof_web/zhongyanfei/e-code.html"
