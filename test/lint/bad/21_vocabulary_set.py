import keras

keras.utils.set_random_seed(1)
texts = ["the cat sat", "the dog ran"]
words = set(word for text in texts for word in text.split())  # expect: set-order
lookup = keras.layers.StringLookup(vocabulary=list(words))
print(lookup(["cat"]))
