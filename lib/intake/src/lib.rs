//! From a reference to an admitted image.
