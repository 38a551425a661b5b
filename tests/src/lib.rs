//! What the tests share: real registries, images and clients, started and stopped by the test.
