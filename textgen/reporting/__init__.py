"""A page about a model: pictures, coloured text, and the numbers behind them."""
