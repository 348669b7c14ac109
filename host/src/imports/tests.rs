//! What a plugin may not, at each import.
