//! Reading bytes without trusting them: a forward cursor, JSON, protobuf fields. No reader here recurses or allocates by a
//! length that the bytes claim.

pub(crate) mod base64;
pub(crate) mod cursor;
pub(crate) mod flatbuffer;
pub(crate) mod json;
pub(crate) mod proto;
pub(crate) mod seekable;
