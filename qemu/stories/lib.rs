//! Nothing: a package needs a library or a program, and the stories are a test.
