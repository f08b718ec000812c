//! What answers an admitted request.
