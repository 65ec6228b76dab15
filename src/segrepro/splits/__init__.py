"""Which cases train and which are held out: made, checked and read as a file of cases."""
