import glob
import random

import keras

keras.utils.set_random_seed(1)
images = glob.glob("images/*.jpg")  # expect: unsorted-listing
random.shuffle(images)
train, test = images[:-100], images[-100:]
print(len(train), len(test))
