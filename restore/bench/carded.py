"""What benches that have no published table say of weights, for their cards: raw photographs, low doses, k-space."""

from collections.abc import Sequence
from math import isnan

from restore import cards
from restore.bench import doses, shots
from restore.bench.run import Mean
from restore.engine.run import Settings
from restore.measure import scans
from restore.measure.sets import SETS
from restore.tasks import Mri


def rows(name: str, found: cards.Card, every: int, device: str) -> list[dict[str, object]]:
    """Of weights that were asked for as `name`, from every so many pictures, slices, or slices of a volume. Empty for weights of other tasks, and where the sets are not there."""
    settings, made = Settings(device), []
    if found.task.name == "isp" and SETS["held"].there:
        for peak in (peak for peak in shots.PEAKS if found.task.covers(shots.task_of(peak))):
            scored = [shots.score(name, peak, file) for file in SETS["held"].files()[::every]]
            made.append({"set": "held", "photons": peak, "ciede2000": _mean(scored, "ciede", 2), "pictures": len(scored)} | ({} if isnan(scored[0].psnr) else {"psnr": _mean(scored, "psnr", 2)}))
    if found.task.name == "lowdose" and SETS["ct_test"].there:
        scored = [doses.score(file, which, settings) for file in SETS["ct_test"].files()[::every] for which in (doses.GIVEN, name)]
        for kernel in sorted({row.kernel for row in scored}):
            before, after = ([row for row in scored if (row.kernel, row.method) == (kernel, method)] for method in (doses.GIVEN, name))
            made.append({"set": "ct_test", "kernel": kernel, "slices": len(after), "rmse_hu": _mean(after, "rmse", 1), "rmse_hu_before": _mean(before, "rmse", 1), "ssim": _mean(after, "ssim", 4)})
    if found.task.name == "mri":
        for acceleration in (acceleration for acceleration in scans.ACCELERATIONS if found.task.covers(Mri(acceleration, sigma=1.0))):
            scored = [scans.score(name, file, Mri(acceleration, sigma=1.0), every, settings) for file in scans.volumes()]
            made.append({"set": "heads_test", "acceleration": acceleration, "psnr": _mean(scored, "psnr", 2), "ssim": _mean(scored, "ssim", 4), "nmse": _mean(scored, "nmse", 4)} | ({"every": every} if every > 1 else {}))
    return made


def _mean(rows: Sequence[object], part: str, digits: int) -> float:
    return round(Mean.over(rows, part).mean, digits)
