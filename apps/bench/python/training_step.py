"""The training steps R0 and R1 in PyTorch: the baseline of the gate, and a contestant.

    python3 training_step.py r0 baseline              prints losses, gradient norms and parameter norms of 10 steps in float64
    python3 training_step.py r0 serve --threads N     takes part: reads commands on stdin, answers on stdout (see src/contestant.ts)

The definition (shapes, formulae of weights and batches) is that of src/steps/; nothing is read from there.
"""
import argparse
import json
import math
import os
import platform
import resource
import sys
import time

import torch
import torch.nn.functional as F

SIZES = {'r0': (4, 4, 128, 64, 12, 65, 512), 'r1': (6, 6, 384, 256, 8, 65, 1536)}
L, H, C, T, B, V, HIDDEN = SIZES[sys.argv[1]]
LEARNING_RATE, BETA1, BETA2, EPSILON, DECAY, CLIP = 1e-3, 0.9, 0.99, 1e-8, 0.1, 1.0
MASK32 = 0xFFFFFFFF


def hash32(stream, index):
    """Of an int, or of a tensor of int64, whose products keep their low 32 bits."""
    h = (stream * 0x9E3779B1 + index) & MASK32
    h = ((h ^ (h >> 16)) * 0x85EBCA6B) & MASK32
    h = ((h ^ (h >> 13)) * 0xC2B2AE35) & MASK32
    return h ^ (h >> 16)


def parameter_shapes():
    shapes = [('tokens', (V, C)), ('positions', (T, C))]
    for layer in range(L):
        shapes += [(f'layers.{layer}.norm1', (C,)), (f'layers.{layer}.qkv', (C, 3 * C)),
                   (f'layers.{layer}.projection', (C, C)), (f'layers.{layer}.norm2', (C,)),
                   (f'layers.{layer}.expand', (C, HIDDEN)), (f'layers.{layer}.contract', (HIDDEN, C))]
    return shapes + [('norm', (C,))]


def initial_weights():
    """Values rounded to float32, in the order of parameter_shapes()."""
    weights = {}
    for place, (name, shape) in enumerate(parameter_shapes()):
        if len(shape) == 1:
            weights[name] = torch.ones(shape)
        else:
            hashes = hash32(place + 1, torch.arange(shape[0] * shape[1]))
            weights[name] = (0.035 * ((hashes >> 8).to(torch.float64) / 8388608 - 1)).to(torch.float32).reshape(shape)
    return weights


def batch(step):
    inputs, targets = [], []
    for b in range(B):
        token = hash32(1000 + step, b) % V
        for t in range(T):
            inputs.append(token)
            token = (7 * token + 3 + hash32(1000 + step, (b + 1) * 4096 + t) % 3) % V
            targets.append(token)
    return torch.tensor(inputs).reshape(B, T), torch.tensor(targets)


class Layer(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1 = torch.nn.Parameter(torch.empty(C))
        self.qkv = torch.nn.Linear(C, 3 * C, bias=False)
        self.projection = torch.nn.Linear(C, C, bias=False)
        self.norm2 = torch.nn.Parameter(torch.empty(C))
        self.expand = torch.nn.Linear(C, HIDDEN, bias=False)
        self.contract = torch.nn.Linear(HIDDEN, C, bias=False)

    def attend(self, h):
        q, k, v = (x.view(B, T, H, C // H).transpose(1, 2) for x in self.qkv(h).split(C, dim=2))
        if hasattr(F, 'scaled_dot_product_attention'):
            out = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        else:
            scores = (q @ k.transpose(-2, -1)) * (1.0 / math.sqrt(C // H))
            out = F.softmax(scores.masked_fill(self.hidden, float('-inf')), dim=-1) @ v
        return self.projection(out.transpose(1, 2).reshape(B, T, C))

    def forward(self, h):
        h = h + self.attend(F.layer_norm(h, (C,), self.norm1, None, 1e-5))
        return h + self.contract(F.gelu(self.expand(F.layer_norm(h, (C,), self.norm2, None, 1e-5))))


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.tokens = torch.nn.Embedding(V, C)
        self.positions = torch.nn.Parameter(torch.empty(T, C))
        self.layers = torch.nn.ModuleList([Layer() for _ in range(L)])
        self.norm = torch.nn.Parameter(torch.empty(C))
        hidden = torch.triu(torch.ones(T, T, dtype=torch.bool), diagonal=1)
        for layer in self.layers:
            layer.hidden = hidden

    def forward(self, inputs, targets):
        h = self.tokens(inputs) + self.positions
        for layer in self.layers:
            h = layer(h)
        h = F.layer_norm(h, (C,), self.norm, None, 1e-5)
        return F.cross_entropy(F.linear(h, self.tokens.weight).view(B * T, V), targets)


def build(dtype):
    model = Model()
    weights = initial_weights()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            value = weights.pop(name.replace('.weight', ''))
            linear = isinstance(model.get_submodule(name.rsplit('.', 1)[0]) if '.' in name else model, torch.nn.Linear)
            parameter.copy_(value.t() if linear else value)
    assert not weights, f'no such parameter: {sorted(weights)}'
    model = model.to(dtype)
    matrices = [p for p in model.parameters() if p.dim() == 2]
    gains = [p for p in model.parameters() if p.dim() == 1]
    optimizer = torch.optim.AdamW([{'params': matrices, 'weight_decay': DECAY}, {'params': gains, 'weight_decay': 0.0}],
                                  lr=LEARNING_RATE, betas=(BETA1, BETA2), eps=EPSILON)
    return model, optimizer


class Training:
    def __init__(self, dtype, batches):
        self.model, self.optimizer = build(dtype)
        self.batches = [batch(step) for step in range(batches)]
        self.count = 0

    def step(self):
        """One update; returns the loss and the gradient norm before clipping, as tensors."""
        inputs, targets = self.batches[self.count % len(self.batches)]
        self.count += 1
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.model(inputs, targets)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), CLIP)
        self.optimizer.step()
        return loss.detach(), norm

    def parameter_norm(self):
        return math.sqrt(sum(float((p.detach().double() ** 2).sum()) for p in self.model.parameters()))


def baseline(steps):
    training = Training(torch.float64, steps)
    losses, norms, parameter_norms = [], [], []
    for _ in range(steps):
        loss, norm = training.step()
        losses.append(float(loss))
        norms.append(float(norm))
        parameter_norms.append(training.parameter_norm())
    print(json.dumps({'torch': torch.__version__, 'losses': losses, 'gradientNorms': norms,
                      'parameterNorms': parameter_norms}, indent=2))


def linear_algebra_libraries():
    """Real paths of the BLAS libraries in this process: reference BLAS is twenty times slower than OpenBLAS."""
    try:
        with open('/proc/self/maps') as maps:
            paths = {line.split()[-1] for line in maps if '.so' in line}
        return sorted({os.path.realpath(p) for p in paths if 'blas' in p.lower() or 'mkl' in p.lower()})
    except OSError:
        return []


def send(message):
    sys.stdout.write('@bench ' + json.dumps(message) + '\n')
    sys.stdout.flush()


def serve(threads, steps, batches):
    torch.set_num_threads(threads)
    training = Training(torch.float32, batches)
    losses, norms = [], []
    started = time.perf_counter()
    for step in range(steps):
        loss, norm = training.step()
        losses.append(float(loss))
        norms.append(float(norm))
        if step == 0:
            first = (time.perf_counter() - started) * 1000
    send({'event': 'ready', 'losses': losses, 'gradientNorms': norms, 'parameterNorm': training.parameter_norm(),
          'firstStepMs': first,
          'about': {'torch': torch.__version__, 'python': platform.python_version(), 'threads': torch.get_num_threads(),
                    'blas': ', '.join(linear_algebra_libraries()) or 'built in'}})
    for line in sys.stdin:
        command = json.loads(line)
        if command['command'] == 'time':
            started = time.perf_counter()
            for _ in range(command['steps']):
                loss, _norm = training.step()
            value = float(loss)
            send({'event': 'timed', 'ms': (time.perf_counter() - started) * 1000, 'loss': value})
        else:
            send({'event': 'finished', 'peakRssBytes': resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024})
            return


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('step', choices=sorted(SIZES))
    parser.add_argument('mode', choices=['baseline', 'serve'])
    parser.add_argument('--threads', type=int, default=1)
    parser.add_argument('--steps', type=int, default=5)
    parser.add_argument('--batches', type=int, default=16)
    options = parser.parse_args()
    if options.mode == 'baseline':
        baseline(10)
    else:
        serve(options.threads, options.steps, options.batches)


main()
