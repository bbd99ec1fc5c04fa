"""CT volumes in: DICOM series and NIfTI, label volumes, and the curved sagittal slab."""
