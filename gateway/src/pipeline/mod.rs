//! One function per API type that calls the steps in order.
