"""Files that users may have among their photos: intact, damaged or disguised, mostly written by real encoders.

Each file comes with the verdict that both the scan of a data set and the prediction service must return: a reason code,
or None if the file is a valid photo. Importing this package fills `BAD_PHOTOS`.
"""

from tests.cases.bad_photos import damaged_photos, foreign_files, odd_photos, sizes, truncated_photos
from tests.cases.bad_photos.table import BAD_PHOTOS, needs_heic

__all__ = ["BAD_PHOTOS", "damaged_photos", "foreign_files", "needs_heic", "odd_photos", "sizes", "truncated_photos"]
