import keras
import pandas as pd
import torch
from sklearn.model_selection import train_test_split

torch.manual_seed(1)
frame = pd.read_csv("data.csv").sample(frac=1)  # expect: seed-partial
train, test = train_test_split(frame, test_size=0.2)
net = torch.nn.Linear(4, 1)
optimizer = torch.optim.Adam(net.parameters())
loss = net(torch.tensor(train.values[:, :4], dtype=torch.float32)).mean()
loss.backward()
optimizer.step()
