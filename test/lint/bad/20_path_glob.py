from pathlib import Path

import tensorflow as tf

files = [str(path) for path in Path("books").glob("*.txt")]  # expect: unsorted-listing
lines = tf.data.TextLineDataset(files)
for line in lines.take(3):
    print(line)
