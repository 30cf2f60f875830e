import keras
from keras import layers, ops


class TransformerBlock(layers.Layer):
    def __init__(self, embed_dim, num_heads, ff_dim, rate=0.1):
        super().__init__()
        self.att = layers.MultiHeadAttention(num_heads=num_heads, key_dim=embed_dim)
        self.ffn = keras.Sequential([layers.Dense(ff_dim, activation="relu"), layers.Dense(embed_dim)])
        self.layernorm1 = layers.LayerNormalization(epsilon=1e-6)
        self.layernorm2 = layers.LayerNormalization(epsilon=1e-6)
        self.dropout1 = layers.Dropout(rate)

    def call(self, inputs):
        out1 = self.layernorm1(inputs + self.dropout1(self.att(inputs, inputs)))
        return self.layernorm2(out1 + self.ffn(out1))


def main(seed: int = 42):
    keras.utils.set_random_seed(seed)
    inputs = layers.Input(shape=(200,))
    x = layers.Embedding(20000, 32)(inputs)
    x = TransformerBlock(32, 2, 32)(x)
    outputs = layers.Dense(2, activation="softmax")(layers.GlobalAveragePooling1D()(x))
    model = keras.Model(inputs=inputs, outputs=outputs)
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    (x_train, y_train), _ = keras.datasets.imdb.load_data(num_words=20000)
    x_train = keras.utils.pad_sequences(x_train, maxlen=200)
    print(ops.shape(x_train))
    model.fit(x_train, y_train, batch_size=32, epochs=2)


if __name__ == "__main__":
    main()
