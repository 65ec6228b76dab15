"""Raw files in, converted cases on their native grid out; no branch on a data set's name."""
