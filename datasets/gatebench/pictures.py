"""Images that lie in installed Python packages: photographs, and DICOM slices of many kinds.

Nothing is fetched. Packages that are not installed are left out; ``pydicom-data`` and ``tptbox``
(real MR slices), ``nilearn`` (an MR template of the head) and ``scikit-image`` (photographs) make
the bench wider.
"""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from endplate.datasets.film import GreyImage
from endplate.datasets.gatebench.phantoms import FloatImage, stored
from endplate.datasets.gatebench.slices import mr_views
from endplate.errors import EndplateError
from endplate.imaging.ct.read import read_ct

__all__ = ["PACKAGES", "package_pictures"]

#: Importable package, folder in it, pattern: where pictures lie.
_PICTURES: Final = (
    ("skimage", "data", "*.png"),
    ("skimage", "data", "*.jpg"),
    ("sklearn", "datasets/images", "*.jpg"),
    ("matplotlib", "mpl-data/sample_data", "*.jpg"),
    ("matplotlib", "mpl-data/sample_data", "*.png"),
)
_DICOM: Final = (
    ("pydicom", "data/test_files"),
    ("data_store", "data"),
)
_MR: Final = (
    ("TPTBox", "tests/sample_mri/sub-mri_label-6_T2w.nii.gz"),
    ("nilearn", "datasets/data/mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz"),
)
#: Packages whose images are used where they are installed.
PACKAGES: Final = tuple(dict.fromkeys(p[0] for p in (*_PICTURES, *_DICOM, *_MR)))
_KINDS: Final = {
    "MR": "MR slice",
    "CT": "CT axial slice",
    "US": "ultrasound",
    "NM": "nuclear medicine",
}
_SMALLEST: Final = 48


def package_pictures() -> Iterator[tuple[str, str, GreyImage]]:
    """Kind, name and pixels of every usable image; each picture once, whatever its encodings."""
    for package, folder, pattern in _PICTURES:
        place = _folder(package)
        for path in sorted((place / folder).glob(pattern)) if place else ():
            image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
            if image is not None and min(image.shape) >= _SMALLEST:
                yield "photograph", f"{package}-{path.name}", np.asarray(image, np.uint8)
    yield from _dicom_pictures()
    for package, file in _MR:
        place = _folder(package)
        if place and (place / file).is_file():
            try:
                volume = read_ct(place / file)
            except EndplateError:
                continue
            for kind, name, image in mr_views(volume):
                yield kind, f"{package}-{kind}-{name}", image


def _folder(package: str) -> Path | None:
    """Folder of a package, which is not imported."""
    spec = find_spec(package)
    places = list(spec.submodule_search_locations or ()) if spec else []
    return Path(places[0]) if places else None


def _dicom_pictures() -> Iterator[tuple[str, str, GreyImage]]:
    seen: set[bytes] = set()
    for package, folder in _DICOM:
        place = _folder(package)
        for path in sorted((place / folder).glob("*.dcm")) if place else ():
            if path.name.startswith("RG"):
                continue
            kind, plane = _first_frame(path)
            if plane is None or min(plane.shape) < _SMALLEST:
                continue
            low, high = (float(v) for v in np.percentile(plane, (0.5, 99.5)))
            grey = stored((plane - low) / max(high - low, 1e-6))
            glance = cv2.resize(grey, (12, 12), interpolation=cv2.INTER_AREA) // 16
            if glance.tobytes() not in seen:
                seen.add(glance.tobytes())
                yield kind, f"{package}-{path.stem}", grey


def _first_frame(path: Path) -> tuple[str, FloatImage | None]:
    """Kind and grey values of the first frame, past the check of the modality; None if none."""
    from pydicom import dcmread
    from pydicom.pixels.utils import pixel_array

    from endplate.imaging.quiet import quiet_parsing

    with quiet_parsing():
        try:
            ds = dcmread(path, force=True)
            frames = int(ds.get("NumberOfFrames") or 1)
            pixels = np.asarray(pixel_array(ds, index=0 if frames > 1 else None), np.float32)
        except Exception:  # files made to be broken, or of a codec that is not installed
            return "", None
        kind = _KINDS.get(str(ds.get("Modality", "")), "other DICOM picture")
    if pixels.ndim == 3 and pixels.shape[-1] in (3, 4):
        pixels = pixels[..., :3].mean(axis=-1)
    return kind, pixels if pixels.ndim == 2 else None
