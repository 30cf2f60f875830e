# SPDX-License-Identifier: Apache-2.0
"""A DataLoader with two workers that shuffles, dropout, and PyTorch's own optimizer. PyTorch."""

import random

import torch
from final import data, show

x, y = data()


class Noisy(torch.utils.data.Dataset):
    def __len__(self):
        return len(x)

    def __getitem__(self, i):
        return torch.from_numpy(x[i]) + random.random() * 0.1, float(y[i])


model = torch.nn.Sequential(torch.nn.Linear(16, 16), torch.nn.ReLU(), torch.nn.Dropout(0.2), torch.nn.Linear(16, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
for xb, yb in torch.utils.data.DataLoader(Noisy(), batch_size=32, shuffle=True, num_workers=2):
    optimizer.zero_grad()
    torch.mean((model(xb)[:, 0] - yb.float()) ** 2).backward()
    optimizer.step()
show([p.detach().numpy() for p in model.parameters()])
