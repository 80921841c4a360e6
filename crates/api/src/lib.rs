//! Routes, extractors, the one error writer and the API document
