import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

torch.manual_seed(0)


class Noisy(Dataset):
    def __init__(self, x):
        self.x, self.rng = x, np.random.default_rng(0)

    def __len__(self):
        return len(self.x)

    def __getitem__(self, index):
        return self.x[index] + self.rng.normal(size=3).astype("float32")


dataset = Noisy(np.zeros((100, 3), "float32"))
loader = DataLoader(dataset, batch_size=10, shuffle=True, num_workers=4)  # expect: worker-draws
net = torch.nn.Linear(3, 1)
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
for batch in loader:
    optimizer.zero_grad()
    net(batch).mean().backward()
    optimizer.step()
