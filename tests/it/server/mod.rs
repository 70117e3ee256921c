//! The listener under many or slow connections.

mod starvation;
