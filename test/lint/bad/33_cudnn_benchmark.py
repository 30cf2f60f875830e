import torch

torch.manual_seed(0)
torch.use_deterministic_algorithms(True)
torch.backends.cudnn.benchmark = True  # expect: cudnn-benchmark
net = torch.nn.Conv2d(3, 8, 3).cuda()
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
net(torch.ones(1, 3, 8, 8).cuda()).mean().backward()
optimizer.step()
