//! Reading model files without running them: a pure library, no async, no network, no clock, no unsafe code.
//!
//! Holds no scanner yet: until it does, every revision's coverage is reported as incomplete ("not scanned").
