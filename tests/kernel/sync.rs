//! Lists and settings as they reach the program.
