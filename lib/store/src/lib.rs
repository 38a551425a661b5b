//! Content-addressed blobs and the index of images on disk.
