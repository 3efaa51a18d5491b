"""What each kind of layer computes, one module per kind."""
