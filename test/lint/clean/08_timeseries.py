import keras
import pandas as pd

keras.utils.set_random_seed(3)
df = pd.read_csv("jena_climate_2009_2016.csv")
train_split = int(0.715 * int(df.shape[0]))
features = df[["p (mbar)", "T (degC)"]]
features = (features - features[:train_split].mean(axis=0)) / features[:train_split].std(axis=0)
train_data = features.loc[0 : train_split - 1]
dataset_train = keras.preprocessing.timeseries_dataset_from_array(
    train_data.values, train_data.iloc[:, 1].values, sequence_length=120, sampling_rate=6, batch_size=256
)
for batch in dataset_train.take(1):
    inputs, targets = batch
inputs = keras.layers.Input(shape=(inputs.shape[1], inputs.shape[2]))
outputs = keras.layers.Dense(1)(keras.layers.LSTM(32)(inputs))
model = keras.Model(inputs=inputs, outputs=outputs)
model.compile(optimizer=keras.optimizers.Adam(learning_rate=0.001), loss="mse")
history = model.fit(dataset_train, epochs=10, callbacks=[keras.callbacks.EarlyStopping(patience=5)])
