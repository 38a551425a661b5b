//! Layers to one tree of files.
