//! The world tests.
