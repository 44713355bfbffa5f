//! Make a blob available and prove it: encode, disperse, certify, retrieve, repair.
