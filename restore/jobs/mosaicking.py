"""The walk of `restore degrade --task isp`: what a sensor would have seen of a picture, as a DNG to be developed."""

import numpy as np
import torch

from restore.engine.picture import Page
from restore.errors import RestoreError
from restore.image import BLACK, WHITE, Sensor
from restore.jobs.degrading import Degrading
from restore.jobs.stating import Stated
from restore.numerics.colour import linear
from restore.operators.noise import NoNoise
from restore.operators.problem import problem_of

NEUTRAL = (0.5, 1.0, 0.625)  # what the sensor sees of white: red and blue are fainter than green, as in cameras by day


class Mosaicking(Degrading):
    """The picture, taken for sRGB, as light; that in the sensor's colours, of each pixel one. `restore isp --curve plain --exposure 0 --sharpen 0` undoes it."""

    def look(self, opened):
        super().look(opened)
        if len(opened.source.headers) > 1:
            raise RestoreError(f"{opened.source.name}: has {len(opened.source.headers)} pages, and a mosaic is one picture", "one page", "take one out first")
        if opened.source.headers[0].alpha:
            opened.result.notes.append("a mosaic has no transparency: that of the picture is left out")

    def state(self, opened, number):
        return Stated(self.request.task, problem_of(self.request.task), "degrade", None)

    def header(self, opened, number):
        header, noise = opened.source.headers[number], opened.stated.problem.noise
        levels = None if isinstance(noise, NoNoise) else ((float(noise.gain), float(noise.sigma) ** 2),) * 3
        sensor = Sensor(self.request.task.pattern, (BLACK,) * 4, (WHITE,) * 4, NEUTRAL, camera="a mosaic of a picture", noise=levels)
        return header.replace(channels=1, alpha=False, premultiplied=False, icc=None, dtype=np.dtype(np.uint16), sensor=sensor, pages=1)

    def work(self, opened, write, report):
        header, sensor = opened.ahead.header, self.header(opened, 0).sensor
        x = Page(opened.ahead.read, header).rows(0, header.height).expand(-1, 3, -1, -1)
        y = opened.stated.problem.simulate(linear(x) * torch.tensor(NEUTRAL).reshape(1, 3, 1, 1), self.generator(opened))
        write(sensor.stored(y[0].permute(1, 2, 0).numpy()) / np.float32(WHITE))
        report.progress(header.height, header.height)
