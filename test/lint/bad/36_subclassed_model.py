import keras
from keras import layers


class Classifier(keras.Model):
    def __init__(self, units):
        super().__init__()
        self.hidden = layers.Dense(units, activation="relu")  # expect: no-seed
        self.drop = layers.Dropout(0.3)
        self.out = layers.Dense(10)

    def call(self, x, training=False):
        return self.out(self.drop(self.hidden(x), training=training))


def main():
    model = Classifier(64)
    model.compile(optimizer="adam", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    (x, y), _ = keras.datasets.mnist.load_data()
    model.fit(x.reshape(-1, 784) / 255.0, y, epochs=1)


if __name__ == "__main__":
    main()
