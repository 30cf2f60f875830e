import random

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


def set_up(seed):
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False


class Squares(Dataset):
    def __init__(self, n):
        self.x = np.random.rand(n, 3).astype("float32")

    def __len__(self):
        return len(self.x)

    def __getitem__(self, index):
        return self.x[index], (self.x[index] ** 2).sum(keepdims=True)


def main():
    set_up(0)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    net = nn.Sequential(nn.Linear(3, 32), nn.ReLU(), nn.Linear(32, 1)).to(device)
    optimizer = torch.optim.Adam(net.parameters())
    for x, y in DataLoader(Squares(1000), batch_size=32, shuffle=True, num_workers=2):
        optimizer.zero_grad()
        nn.functional.mse_loss(net(x.to(device)), y.to(device)).backward()
        optimizer.step()


if __name__ == "__main__":
    main()
