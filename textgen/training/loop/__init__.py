"""Around `keras.Model.fit`: state, callbacks, saving, reporting."""
