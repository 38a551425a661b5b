//! Pull and push over the OCI distribution API.
