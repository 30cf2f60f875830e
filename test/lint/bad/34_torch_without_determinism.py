import torch

torch.manual_seed(0)  # expect: op-determinism-missing
device = "cuda:0"
net = torch.nn.Conv2d(3, 8, 3).to(device)
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
net(torch.ones(1, 3, 8, 8, device=device)).mean().backward()
optimizer.step()
