"""The equations of one time step, one module per recurrent cell."""
