//! Tests of the decompressors: round trips, several members, damage and limits.
