import keras
import numpy as np
from keras import layers

keras.utils.set_random_seed(42)
text = open("nietzsche.txt", encoding="utf-8").read().lower().replace("\n", " ")
print("Corpus length:", len(text))
chars = sorted(list(set(text)))
print("Total chars:", len(chars))
char_indices = dict((c, i) for i, c in enumerate(chars))
x = np.zeros((len(text) - 40, 40, len(chars)), dtype="bool")
y = np.zeros((len(text) - 40, len(chars)), dtype="bool")
for i in range(len(text) - 40):
    for t, char in enumerate(text[i : i + 40]):
        x[i, t, char_indices[char]] = 1
    y[i, char_indices[text[i + 40]]] = 1
model = keras.Sequential([keras.Input((40, len(chars))), layers.LSTM(128), layers.Dense(len(chars), activation="softmax")])
model.compile(loss="categorical_crossentropy", optimizer=keras.optimizers.RMSprop(0.01))
model.fit(x, y, batch_size=128, epochs=1)
preds = np.asarray(model.predict(x[:1])[0]).astype("float64")
probas = np.random.multinomial(1, preds / preds.sum(), 1)
print(chars[int(np.argmax(probas))])
