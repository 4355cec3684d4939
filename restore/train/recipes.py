"""Recipes: what is trained, on what, how. Frozen values; a variant is `replace(base, ...)`."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from restore.errors import UsageError, nearest
from restore.tasks import NOISELESS, Burst, CompressedSensing, Deblur, Denoise, Inpaint, Isp, Jpeg, LowDose, Mri, SuperResolution, Task
from restore.train.loss import LOSSES
from restore.train.optimisers import OPTIMISERS
from restore.train.scenes import SCENES
from restore.values import Range

PRECISIONS = ("auto", "float32", "bf16")


@dataclass(frozen=True)
class Recipe:
    """One way to train one method. Rates fall to 0 by a cosine after a short rise; sizes are in pixels, `clip` is of the gradient's norm."""

    name: str
    line: str  # paper, cost, the PSNR to expect
    method: str  # of the catalog
    task: Task  # ranges are drawn from, uniformly, anew for every patch
    args: Mapping[str, object] = field(default_factory=dict)  # of the method, over the catalog's
    tag: str = ""  # of the weights; from the task where it is empty
    data: tuple[str, ...] = ("bsds", "photos", "research")  # names of sets, or folders
    pairs: tuple[str, str] | tuple[()] = ()  # folders of y and of x instead of `data`: nothing is simulated
    scene: str = ""  # of `scenes`: what a picture is made before D is applied
    begin: str = ""  # catalog name of what makes the first reconstruction that the network works on
    patch: int = 64
    batch: int = 64
    steps: int = 100_000
    optimiser: str = "adam"
    rate: float = 1e-3
    loss: str = "mse"
    ema: float = 0.999
    clip: float = 1.0
    precision: str = "auto"  # of the convolutions: bf16 where the device is fast at it; or float32, or bf16
    start: str = ""  # weights to go on from, as name.tag or a file
    learner: str = ""  # em: mixtures fitted by EM; dictionary: filters that code clean patches; rates, losses and averages mean nothing to them
    seed: int = 0
    apart: bool = False  # an experiment: commands take its weights only where they are asked for by name
    tests: tuple[str, ...] = ("bsd200_half", "red14_proxy256")  # sets that the card reports
    levels: tuple[float | str, ...] = (10.0, 30.0, 50.0, 70.0)  # at these of its levels, where its task has a range of them
    protocol: str = "rednet"  # of those figures
    every: int = 1  # on every n-th of their pictures
    x8: bool = True  # with the self-ensemble too

    def __post_init__(self):
        for part, names in (("loss", LOSSES), ("optimiser", OPTIMISERS), ("scene", SCENES), ("precision", PRECISIONS)):
            if getattr(self, part) not in names:
                raise UsageError(f"unknown {part} {getattr(self, part)!r}", nearest(getattr(self, part), names))

    @property
    def label(self) -> str:
        """The tag of the weights: s50 for one sigma, blind for a range."""
        if self.tag:
            return self.tag
        sigma = getattr(self.task, "sigma", None)
        return f"s{sigma:g}" if isinstance(sigma, (int, float)) else "blind"


LEVELS = Denoise(sigma=Range(5, 75))

red30 = Recipe("red30", "Mao, Shen & Yang, NIPS 2016: 2.07 MFLOP/px, 25 GPU-minutes; BSD200 half size, x8: 33.38 / 27.88 / 25.69 / 24.36 at sigma 10/30/50/70",
               "red30", LEVELS, patch=64, batch=128, rate=5e-4)
red20 = replace(red30, name="red20", method="red20", line="the same with 20 layers: 1.33 MFLOP/px; at one sigma 33.59 / 27.90 / 25.67 / 24.33")
red10 = replace(red30, name="red10", method="red10", line="the same with 10 layers and no skips: 0.59 MFLOP/px; at one sigma 33.49 / 27.79 / 25.54 / 24.13")
red30_fast, red20_fast, red10_fast = (replace(of, name=f"{of.name}-fast", args={"width": 32}, patch=48, batch=16, rate=1e-3, steps=steps, loss="psnr",
                                              tests=("red14_proxy256",),
                                              line=f"the same for CPUs: 32 channels, {cost} MFLOP/px, {minutes} minutes of a CPU core; x8, {under} dB under BM3D; "
                                              f"{more} after {hours} hours more, --from {of.name}.blind --optimiser muon --rate 5e-3 --batch 4")
                                      for of, steps, cost, minutes, under, more, hours in (
                                          (red30, 12_000, "0.52", 65, "0.3 to 0.6", "0.1 to 0.35", 2.5), (red20, 10_000, "0.34", 40, "0.3 to 0.6", "0.1 to 0.35", 1),
                                          (red10, 20_000, "0.15", 35, "0.4 to 0.7", "0.15 to 0.4", 0.75)))
red30_plain = replace(red30, name="red30-plain", args={"skips": False}, tag="plain", apart=True, line="RED30 without skips: what the skips are worth (paper, section 2.3)")
red30_direct = replace(red30, name="red30-direct", args={"global_residual": False}, tag="direct", apart=True, line="RED30 that predicts the picture, not the residual")

drunet = Recipe("drunet", "Zhang et al., TPAMI 2021, at an eighth of its cost: 0.87 MFLOP/px, 25 GPU-minutes; CBSD68 33.9 / 31.25 / 28.0 at sigma 15/25/50",
                "drunet", Denoise(sigma=Range(0, 75)), args={"widths": (48, 96, 192), "blocks": (1, 2, 4, 2, 1)}, tag="best", data=("photos_stated",),
                patch=96, batch=64, steps=60_000, rate=1e-3, loss="l1", tests=("cbsd68",), levels=(15.0, 25.0, 50.0), x8=False)
drunet_grey = replace(drunet, name="drunet-grey", args={**drunet.args, "channels": 1}, tag="grey", tests=("bsd68", "set12"),
                      line="the same in grey: BSD68 31.7 / 29.25 / 26.35 at sigma 15/25/50")
drunet_fast = replace(drunet, name="drunet-fast", args={"widths": (32, 64, 96), "blocks": (0, 1, 2, 1, 1)}, tag="fast", patch=64, batch=16, steps=25_000,
                      line="the same for CPUs, 0.17 MFLOP/px, 75 minutes of two CPU cores; CBSD68 33.6 / 30.9 / 27.6 at sigma 15/25/50")

drunet_fast_grey = replace(drunet_fast, name="drunet-fast-grey", args={**drunet_fast.args, "channels": 1}, tag="fast-grey", tests=("bsd68", "set12"),
                           line="the same in grey: above BM3D, 31.07 / 28.57 / 25.62 on BSD68 at sigma 15/25/50")

mlp = Recipe("mlp", "Burger, Schuler & Harmeling, CVPR 2012, with 4 x 720 units: 0.44 MFLOP/px; half an hour of a CPU core brings BSD68 to 27.5 at sigma 25, "
             "and an hour more, --from mlp.s25 --optimiser muon --rate 2e-2 --batch 16, to 28.59, where BM3D is",
             "mlp", Denoise(sigma=25.0), data=("bsds",), patch=51, batch=32, rate=5e-4, tests=("bsd68",), x8=False)
mlp_blind = replace(mlp, name="mlp-blind", task=LEVELS, levels=(15.0, 25.0, 50.0), line="the same over all levels")
autoencoder = Recipe("autoencoder", "the textbooks': what an eighth of the resolution costs; 10 minutes of a CPU core, far below BM3D at low noise",
                     "autoencoder", LEVELS, data=("bsds",), batch=32, steps=8_000, optimiser="muon", rate=1e-2, levels=(15.0, 25.0, 50.0), tests=("bsd68",), x8=False)
autoencoder_max = replace(autoencoder, name="autoencoder-max", args={"pool": "max"}, tag="max", apart=True, line="the same with maximum pooling")
autoencoder_avg = replace(autoencoder, name="autoencoder-avg", args={"pool": "avg"}, tag="avg", apart=True, line="the same with average pooling")

csc_net = Recipe("csc-net", "Gregor & LeCun, ICML 2010, with filters of each layer's own, on the grids of Simon & Elad, NeurIPS 2019: 12 iterations as layers, 0.28 MFLOP/px, "
                 "85 minutes of a CPU core; 28.74 on BSD68 at sigma 25",
                 "csc-net", Denoise(sigma=Range(0, 75)), tag="learned", data=("bsds",), batch=8, rate=1.5e-2, steps=30_000, loss="psnr", tests=("bsd68",),
                 levels=(15.0, 25.0, 50.0), x8=False)
csc_clean = replace(csc_net, name="csc-clean", method="csc-clean", tag="bsds", learner="dictionary", patch=96, steps=300, every=17,
                    line="convolutional sparse coding with 64 filters learned from clean pictures alone: two minutes of a CPU core; 30.45 / 27.95 / 24.55 on Set12 at sigma 15/25/50")
ml_ista = replace(csc_net, name="ml-ista", method="ml-csc", args={"coder": "ml-ista"}, tag="ml-ista", patch=48, rate=2.5e-3, steps=7_500,
                  line="Sulam et al., TPAMI 2019: three layers of codes, two iterations, 0.73 MFLOP/px, an hour of a CPU core; 28.53 on BSD68 at sigma 25, 28.66 after 45 minutes more, the last 20 --optimiser muon --rate 1e-2")
layered_soft = replace(ml_ista, name="layered-soft", args={**ml_ista.args, "coder": "soft"}, tag="soft", apart=True,
                       line="the same by one forward pass: a convolutional net without frills")
layered_pursuit = replace(ml_ista, name="layered-pursuit", args={**ml_ista.args, "coder": "pursuit"}, tag="pursuit", apart=True, line="the same by pursuit, layer after layer")


def _course(what: str, line: str, rate: float = 1e-3, optimiser: str = "adam", **args: object) -> Recipe:
    """One choice of the course tried on a RED20 of 16 channels, all else the same: `restore bench course` sets them side by side."""
    return replace(red20, name=f"course-{what}", tag=what, task=Denoise(sigma=25.0), args={"width": 16} | args, data=("bsds",), patch=40, batch=16, steps=4_000,
                   rate=rate, optimiser=optimiser, tests=("set12",), levels=(25.0,), x8=False, apart=True, line=line)


COURSE = (
    _course("base", "RED20 with 16 channels, relu, adam: 0.08 MFLOP/px, at sigma 25; what the others are held against, each after --minutes 4.5 of a CPU core"),
    _course("plain", "the same without skips", skips=False),
    _course("direct", "the same without the global residual", global_residual=False),
    _course("bare", "the same without either", skips=False, global_residual=False),
    *(_course(name, f"the same with {name} for relu", activation=name) for name in ("sigmoid", "tanh", "leaky_relu", "elu", "maxout")),
    *(_course(name, f"the same by {name} for adam", rate, name) for name, rate in (("gd", 1.0), ("sgd", 1.0), ("momentum", 0.2), ("adamw", 1e-3), ("muon", 2e-2))))

denoisenet = Recipe("denoisenet", "Remez et al., SampTA 2017: 1.31 MFLOP/px, 25 GPU-minutes; .1 / .3 / .3 dB above I+VST+BM3D at peaks 1 / 4 / 8",
                    "denoisenet", Denoise("poisson", peak=Range(1, 40)), patch=64, batch=64, rate=5e-4, tests=("set12", "bsd68"),
                    levels=(1.0, 2.0, 4.0, 8.0, 30.0), x8=False)
denoisenet_fast = replace(denoisenet, name="denoisenet-fast", args={"depth": 12, "width": 32}, tag="fast", patch=48, batch=16, steps=12_000, rate=1e-3, loss="psnr",
                          line="the same for CPUs: 12 layers of 32, 0.18 MFLOP/px, 35 minutes of a CPU core, and an hour more by muon, rate 4e-3, batch 4: 0.9 to 0.35 dB under I+VST+BM3D")
denoisenet_ct, denoisenet_heads, denoisenet_text = (
    replace(denoisenet_fast, name=f"denoisenet-{tag}", tag=tag, data=data, scene=scene, tests=(test, "set12"), start="denoisenet.fast", steps=1_500, rate=3e-4, apart=True,
            line=f"the same for {what}, 4 minutes of a CPU core after denoisenet.fast")
    for tag, data, scene, test, what in (("ct", ("ct",), "", "ct_test", "CT slices"), ("heads", ("heads",), "", "heads_test", "MR slices of heads"),
                                         ("text", ("bsds",), "text", "print", "printed pages")))

demosaicnet = Recipe("demosaicnet", "Gharbi et al., SIGGRAPH Asia 2016, with noise maps, for CPUs: 0.11 MFLOP/px, 45 minutes of a CPU core; 3 dB above Malvar on clean mosaics, "
                     "1 dB above Malvar and VST + DRUNet on noisy ones",
                     "demosaicnet", Isp(pattern=None, noise="poisson-gaussian", peak=Range(80, NOISELESS), sigma=Range(0, 20)), tag="fast", batch=16, steps=8_000, loss="psnr",
                     tests=(), x8=False)

SENSOR = Isp(pattern=None, noise="poisson-gaussian", peak=Range(80, 1e4))  # shot noise 1e-4 to 0.012, read noise as sensors have it
deepisp_low = Recipe("deepisp-low", "Schwartz et al., TIP 2019, low level: 20 blocks, 1.4 MFLOP/px, an hour of one GPU; 1 dB above Malvar and VST + DRUNet",
                     "deepisp-low", SENSOR, tag="best", data=("photos_stated",), scene="raw", batch=32, steps=60_000, rate=5e-4, loss="l1", tests=(), x8=False)
deepisp_low_fast = replace(deepisp_low, name="deepisp-low-fast", args={"width": 32, "depth": 6}, tag="fast", batch=16, steps=30_000, rate=1e-3,
                           line="the same for CPUs: 6 blocks of 32, 0.10 MFLOP/px, two hours of two CPU cores")
deepisp_low_srgb = replace(deepisp_low_fast, name="deepisp-low-srgb", task=Isp(pattern=None, noise="poisson-gaussian", peak=1e9, sigma=Range(0, 20)), tag="srgb",
                           scene="", line="the same on mosaics of finished pictures, as the bench has them: 3 dB above Malvar on Set14 without noise")
deepisp = replace(deepisp_low, name="deepisp", method="deepisp", scene="photograph", loss="deepisp", patch=256, batch=16, rate=2e-4,
                  line="Schwartz et al., TIP 2019: 15 blocks and the transform of colours, 1.1 MFLOP/px, an hour of one GPU")
deepisp_fast = replace(deepisp, name="deepisp-fast", args={"width": 32, "depth": 10}, tag="fast", batch=4, steps=6_500, rate=5e-4,
                       line="the same for CPUs: 10 blocks of 32, 0.19 MFLOP/px, an hour and a half of a CPU core")

epll = Recipe("epll", "Zoran & Weiss, ICCV 2011: 200 Gaussians of 8x8 patches by EM, 2 minutes of a CPU core; Set12 32.14 / 29.69 / 26.47 at sigma 15/25/50",
              "epll", Denoise(sigma=Range(0, 100)), tag="bsds", data=("bsds",), patch=8, batch=10_000, steps=300, learner="em",
              tests=(), x8=False)  # `restore bench card` adds figures
pclr = replace(epll, name="pclr", method="pclr", patch=10, steps=160,
               line="Chen, Zhang & Yu, ICCV 2015: the same for four sizes, 5 minutes; 0.30 / 0.19 / 0.21 / 0.14 dB above BM3D at sigma 10/30/50/70")
pgpd = replace(epll, name="pgpd", method="pgpd", patch=128, batch=8, steps=480,
               line="Xu et al., ICCV 2015: 33 or 65 Gaussians of groups of patches, 7 minutes of a CPU core; by the paper 0.06 / 0.11 dB above BM3D at sigma 30/50")

fastmri_unet = Recipe("fastmri-unet", "Zbontar et al., arXiv 1811.08839, the smallest of its nets, for a GPU: 0.24 MFLOP/px; meant to be 2 dB above zero-filled at 4x",
                      "fastmri-unet", Mri(Range(3, 10), sigma=Range(0, 4)), tag="heads", data=("heads",), begin="zerofill", patch=256, batch=8, steps=20_000,
                      loss="l1", tests=(), x8=False)
fastmri_unet_small = replace(fastmri_unet, name="fastmri-unet-small", args={"width": 16}, tag="heads-small", batch=4, steps=8_000,
                             line="the same with half the channels, for CPUs: 0.06 MFLOP/px, 1.5 hours of a CPU core; 3.8 dB above zero-filled at 4x and 8x")
varnet = replace(fastmri_unet_small, name="varnet", method="varnet", args={"cascades": 5, "width": 8}, tag="heads", begin="",
                 line="Hammernik et al., MRM 2018, with small U-Nets: 0.10 MFLOP/px, 2.5 hours of a CPU core; 0.5 dB above the small U-Net at 4x, 0.4 below it at 8x")
wieschollek = Recipe("wieschollek", "Wieschollek et al., ACCV 2016: shakes of up to 25 pixels, noise of up to 3 %, any number of frames; 3.1 M parameters",
                     "wieschollek", Burst(frames=Range(2, 14), kernel=Range(7, 25), sigma=Range(0, 8)), tag="shake25", data=("photos", "bsds", "research"), patch=128, batch=16,
                     rate=3e-4, tests=("cbsd68",), levels=(5.0, 8.0, 14.0), x8=False, every=17)
wieschollek_fast = replace(wieschollek, name="wieschollek-fast", args={"width": 128}, tag="fast", patch=96, batch=4, steps=8_000,
                           line="the same for CPUs: 1.2 M parameters")

deblurnet = Recipe("deblurnet", "the U-Net of Zhang et al., TPAMI 2021, from shaken to steady: shakes of up to 31 pixels as Schuler et al. draw them; 0.47 MFLOP/px, a GPU-hour",
                   "deblurnet", Deblur("shake:31", Range(0, 5)), args={"widths": (32, 64, 128, 256), "blocks": (1, 1, 2, 4, 2, 1, 1)}, tag="shake31",
                   data=("photos", "bsds", "research"), patch=160, batch=16, steps=80_000, rate=5e-4, loss="l1", tests=("cbsd68",), levels=(2.55,), x8=False, every=5)
deblurnet_fast = replace(deblurnet, name="deblurnet-fast", args={"widths": (32, 48, 64, 96), "blocks": (0, 1, 1, 2, 1, 1, 1)}, tag="shake31-fast", patch=128, batch=4,
                         steps=12_000, line="the same for CPUs: 0.12 MFLOP/px, a night of a CPU core")

waveletct = Recipe("waveletct", "Kang, Min & Ye, Med. Phys. 2017: 64 channels, 2.2 MFLOP/px, quarter dose simulated; a GPU-hour", "waveletct",
                   LowDose(hu=Range(30, 90), dose=0.25), args={"width": 64}, tag="quarter", data=("ct",), patch=96, batch=16, steps=40_000, rate=5e-4,
                   tests=("ct_test",), x8=False)
waveletct_small = replace(waveletct, name="waveletct-small", args={"width": 32}, tag="quarter-small", batch=8, steps=8_000,
                          line="the same with 32 channels: some hours of two CPU cores")

red30_x2 = replace(red30, name="red30-x2", task=SuperResolution(2.0), args={"luma": True}, tag="x2", begin="bicubic", patch=60, batch=64, rate=3e-4, protocol="sr",
                   tests=("set5", "set14", "b100"), line="the same on bicubic enlargements, luma alone: 25 GPU-minutes; Set5 37.66 x2, nothing shaved")
red30_x3, red30_x4 = (replace(red30_x2, name=f"red30-x{scale}", task=SuperResolution(float(scale)), tag=f"x{scale}",
                              line=f"the same by {scale}: Set5 {figure}") for scale, figure in ((3, 33.82), (4, 31.51)))
red10_x2, red10_x3, red10_x4 = (replace(of, name=of.name.replace("30", "10"), method="red10", args={"luma": True, "width": 32}, patch=48, batch=16, rate=1e-3, steps=steps,
                                        start=start, tests=("set5", "set14"),
                                        line=f"the same for CPUs: 10 layers of 32, 0.15 MFLOP/px, {minutes} minutes of a CPU core after {start}")
                                for of, start, steps, minutes in ((red30_x2, "red10.blind", 10_000, 16), (red30_x3, "red10.x2", 6_000, 10), (red30_x4, "red10.x2", 6_000, 10)))
edsr_x2 = Recipe("edsr-x2", "Lim et al., CVPRW 2017, baseline: 2.7 MFLOP per pixel of y, 25 GPU-minutes; Set5 37.99 x2, the border shaved", "edsr",
                 SuperResolution(2.0), args={"scale": 2}, tag="x2", patch=96, batch=32, steps=60_000, rate=5e-4, loss="l1", protocol="sr-shaved",
                 tests=("set5", "set14", "b100"), x8=False)
edsr_x3, edsr_x4 = (replace(edsr_x2, name=f"edsr-x{scale}", task=SuperResolution(float(scale)), args={"scale": scale}, tag=f"x{scale}", patch=48 * scale,
                            line=f"the same by {scale}: Set5 {figure}") for scale, figure in ((3, 34.37), (4, 32.09)))
edsr_x2_fast, edsr_x3_fast, edsr_x4_fast = (replace(of, name=f"{of.name}-fast", args={**of.args, "width": 32, "blocks": 6}, tag=f"{of.tag}-fast", batch=16, steps=8_000, rate=1e-3,
                                                    line="the same for CPUs: 6 blocks of 32, an hour of a CPU core") for of in (edsr_x2, edsr_x3, edsr_x4))

red30_q10 = replace(red30, name="red30-q10", task=Jpeg(10.0), args={"luma": True}, tag="q10", scene="half", patch=128, batch=64, protocol="jpeg", tests=("classic5", "live1"),
                    line="the same on JPEG, luma alone: 25 GPU-minutes; LIVE1 29.35 at quality 10")
red30_q20 = replace(red30_q10, name="red30-q20", task=Jpeg(20.0), tag="q20", line="the same at quality 20: LIVE1 31.73")
red10_q10, red10_q20 = (replace(of, name=of.name.replace("30", "10"), method="red10", args={"luma": True, "width": 32}, patch=48, batch=16, rate=1e-3, steps=steps,
                                start=start, tests=("classic5",),
                                line=f"the same for CPUs: 10 layers of 32, {minutes} minutes of a CPU core after {start}; AR-CNN has 28.96 / 31.29 on LIVE1")
                        for of, start, steps, minutes in ((red30_q10, "red10.blind", 10_000, 16), (red30_q20, "red10.q10", 6_000, 10)))
drunet_jpeg = replace(drunet, name="drunet-jpeg", task=Jpeg(Range(5, 95)), tag="jpeg", scene="half", patch=192, batch=32, protocol="jpeg", tests=("live1",), levels=(10.0, 20.0, 40.0),
                      line="the same told how coarse the tables are, in colour with and without subsampling: 25 GPU-minutes; meant for LIVE1 29.7 / 32.1 at quality 10/20")
drunet_jpeg_fast = replace(drunet_jpeg, name="drunet-jpeg-fast", args=drunet_fast.args, tag="jpeg-fast", patch=128, batch=8, steps=25_000,
                           line="the same for CPUs, 0.17 MFLOP/px, 75 minutes of two CPU cores")
drunet_jpeg_grey = replace(drunet_jpeg_fast, name="drunet-jpeg-grey", args=drunet_fast_grey.args, tag="jpeg-grey", tests=("classic5", "live1"), line="the same in grey, as the papers' tables are")

red30_marks = replace(red30, name="red30-marks", task=Inpaint("marks:32"), args={"channels": 3}, tag="marks", tests=("set12",), levels=(), x8=False, batch=32,
                      line="the same on letters and scratches, which are 0 and which it is not shown apart: 25 GPU-minutes; meant for 0.5 dB above plug-and-play")
red30_gaussian = replace(red30_marks, name="red30-gaussian", task=Deblur("gaussian:1.6", Range(0, 2.55)), tag="gaussian", patch=80, tests=("set14",), levels=(0.0, 2.55),
                         line="the same on blur by a Gaussian of 1.6 pixels: 25 GPU-minutes; meant for 0.5 dB above plug-and-play")
red30_disk = replace(red30_gaussian, name="red30-disk", task=Deblur("disk:7", Range(0, 2.55)), tag="disk", line="the same on defocus of radius 7")
red10_marks, red10_gaussian, red10_disk = (replace(of, name=of.name.replace("30", "10"), method="red10", args={"channels": 3, "width": 32}, batch=8, rate=1e-3, steps=10_000,
                                                   start=start, apart=True, line=f"the same for CPUs: 10 layers of 32, {minutes} minutes of a CPU core" + (f" after {start}; " if start else "; ") + figures)
                                           for of, start, minutes, figures in ((red30_marks, "", 35, "1 dB below plug-and-play"), (red30_gaussian, "", 55, "1 dB below plug-and-play"),
                                                                               (red30_disk, "red10.gaussian", 55, "3 dB below plug-and-play")))

istanet_r25 = Recipe("istanet-r25", "Zhang & Ghanem, CVPR 2018: 9 phases, 0.67 MFLOP/px, 25 GPU-minutes; Set11 32.57 at a ratio of 0.25", "istanet", CompressedSensing(0.25),
                     tag="r25", patch=99, batch=32, steps=60_000, rate=5e-4, tests=("set11",), x8=False)
istanet_r10, istanet_r50 = (replace(istanet_r25, name=f"istanet-r{ratio:.0f}", task=CompressedSensing(ratio / 100), tag=f"r{ratio:.0f}",
                                    line=f"the same at a ratio of {ratio / 100:.2f}: Set11 {figure}") for ratio, figure in ((10.0, 26.64), (50.0, 38.07)))
istanet_r10_fast, istanet_r25_fast, istanet_r50_fast = (replace(of, name=f"{of.name}-fast", args={"phases": 5}, tag=f"{of.tag}-fast", batch=4, rate=1e-3, steps=steps, start=start, apart=True,
                                                                line=f"the same for CPUs: 5 phases, 0.37 MFLOP/px, {minutes} minutes of a CPU core" + (f" after {start}" if start else ""))
                                                        for of, start, steps, minutes in ((istanet_r10, "istanet.r25-fast", 5_000, 20), (istanet_r25, "", 10_000, 40),
                                                                                          (istanet_r50, "istanet.r25-fast", 5_000, 20)))

usrnet_r25 = Recipe("usrnet-r25", "Zhang, Van Gool & Timofte, CVPR 2020: 6 rounds of drunet.fast-grey, trained on, 1.01 MFLOP/px, two hours of a CPU core; Set11 32.21 at a ratio of 0.25, plug-and-play 31.48, ISTA-Net+ 32.57",
                    "usrnet", CompressedSensing(0.25), tag="r25", patch=99, batch=4, steps=1_800, rate=3e-4, loss="psnr", start="drunet.fast-grey", tests=("set11",), x8=False)
usrnet_r10, usrnet_r50 = (replace(usrnet_r25, name=f"usrnet-r{ratio:.0f}", task=CompressedSensing(ratio / 100), tag=f"r{ratio:.0f}", steps=600, start="usrnet.r25",
                                  line=f"the same at a ratio of {ratio / 100:.2f}, 8 minutes after usrnet.r25: {figures}")
                          for ratio, figures in ((10.0, "26.65, plug-and-play 24.71, ISTA-Net+ 26.64"), (50.0, "37.92, plug-and-play 36.81, ISTA-Net+ 38.07")))
usrnet_blur = replace(usrnet_r25, name="usrnet-blur", task=Deblur("any:31", Range(0, 12), "circular"), args={"channels": 3}, tag="blur", data=("photos_stated",), patch=120, batch=3, steps=800,
                      start="drunet.fast", apart=True, tests=("cbsd68",), levels=(2.55, 7.65), every=5,
                      line="the same with drunet.fast, for blurs of up to 31 pixels that are known, whatever their kind; after 2500 steps level with plug-and-play: 0.1 above for Gaussians, 0.2 below for straight paths")
usrnet_holes = replace(usrnet_blur, name="usrnet-holes", task=Inpaint("any:32"), tag="holes", apart=False, levels=(), patch=96, batch=4,
                       line="the same for pixels that are missing, letters and scratches, 45 minutes of a CPU core: 0.3 and 0.5 dB above plug-and-play")
usrnet_holes_grey = replace(usrnet_holes, name="usrnet-holes-grey", args={"channels": 1}, tag="holes-grey", start="drunet.fast-grey", tests=("bsd68",), line="the same in grey")

RECIPES: dict[str, Recipe] = {recipe.name: recipe for recipe in (
    red30, red20, red10, red30_fast, red20_fast, red10_fast, red30_plain, red30_direct, drunet, drunet_grey, drunet_fast, drunet_fast_grey,
    mlp, mlp_blind, autoencoder, autoencoder_max, autoencoder_avg, *COURSE, csc_net, csc_clean, ml_ista, layered_soft, layered_pursuit,
    epll, pclr, pgpd, denoisenet, denoisenet_fast, denoisenet_ct, denoisenet_heads, denoisenet_text,
    demosaicnet, deepisp_low, deepisp_low_fast, deepisp_low_srgb, deepisp, deepisp_fast,
    fastmri_unet, fastmri_unet_small, varnet, wieschollek, wieschollek_fast, waveletct, waveletct_small,
    edsr_x2, edsr_x3, edsr_x4, edsr_x2_fast, edsr_x3_fast, edsr_x4_fast, red30_x2, red30_x3, red30_x4, red10_x2, red10_x3, red10_x4,
    red30_q10, red30_q20, red10_q10, red10_q20, drunet_jpeg, drunet_jpeg_fast, drunet_jpeg_grey,
    red30_marks, red10_marks, red30_gaussian, red10_gaussian, red30_disk, red10_disk, deblurnet, deblurnet_fast,
    istanet_r10, istanet_r25, istanet_r50, istanet_r10_fast, istanet_r25_fast, istanet_r50_fast,
    usrnet_r10, usrnet_r25, usrnet_r50, usrnet_blur, usrnet_holes, usrnet_holes_grey)}


def find(name: str) -> Recipe:
    """The recipe of this name."""
    if name not in RECIPES:
        raise UsageError(f"unknown recipe {name!r}", nearest(name, RECIPES), "restore train --list shows all")
    return RECIPES[name]
