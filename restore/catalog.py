"""Every method by its public name: where it is, what it serves, who wrote it. The first fitting row is the default.

Plain values and strings; nothing is imported. A test resolves every string.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Row:
    """One method. `trained`: it needs weights, hence a card; `parts`: argument name -> catalog name of the method that fills it.

    prior: its weights say what pictures are like, whatever the task.
    """

    target: str  # "module:Class"
    line: str
    paper: str
    tasks: tuple[str, ...]
    noises: tuple[str, ...] = ("gaussian",)
    args: Mapping[str, object] = field(default_factory=dict)
    parts: Mapping[str, str] = field(default_factory=dict)
    trained: bool = False
    prior: bool = False


PNP = "Zhang, Li, Zuo, Zhang, Van Gool & Timofte, Plug-and-play image restoration with deep denoiser prior, TPAMI 2021"
RED = "Mao, Shen & Yang, Image restoration using very deep convolutional encoder-decoder networks with symmetric skip connections, NIPS 2016"
REDS = ("denoise", "sr", "jpeg", "inpaint", "deblur")
DEEPISP = "Schwartz, Giryes & Bronstein, DeepISP: toward learning an end-to-end image processing pipeline, TIP 2019"
CODES = "Papyan, Romano & Elad, Convolutional neural networks analyzed via convolutional sparse coding, JMLR 2017"

CATALOG: dict[str, Row] = {
    "edsr": Row("restore.methods.edsr:EDSR", "residual blocks on the small grid, enlarged by pixel shuffle; the default where it is trained",
                "Lim, Son, Kim, Nah & Lee, Enhanced deep residual networks for single image super-resolution, CVPRW 2017", ("sr",), args={"channels": 3}, trained=True),
    "drunet": Row("restore.methods.drunet:DRUNet", "bias-free residual U-Net with a noise map; the default where it is trained",
                  "Zhang et al., Plug-and-play image restoration with deep denoiser prior, TPAMI 2021", ("denoise", "jpeg"), args={"channels": 3}, trained=True),
    "red30": Row("restore.methods.rednet:REDNet", "30 layers, symmetric skips every second layer", RED, REDS, args={"depth": 30, "channels": 1}, trained=True),
    "red20": Row("restore.methods.rednet:REDNet", "20 layers, symmetric skips every second layer", RED, REDS, args={"depth": 20, "channels": 1}, trained=True),
    "red10": Row("restore.methods.rednet:REDNet", "10 layers, no skips", RED, REDS, args={"depth": 10, "channels": 1}, trained=True),
    "waveletct": Row("restore.methods.waveletct:WaveletCT", "24 convolutions on 15 directional channels of a low-dose slice",
                     "Kang, Min & Ye, A deep convolutional neural network using directional wavelets for low-dose X-ray CT reconstruction, Med. Phys. 2017",
                     ("lowdose",), trained=True),
    "bm3d": Row("restore.methods.bm3d:BM3D", "block matching and 3-D filtering, both stages",
                "Dabov, Foi, Katkovnik & Egiazarian, Image denoising by sparse 3-D transform-domain collaborative filtering, TIP 2007", ("denoise",)),
    "wnnm": Row("restore.methods.wnnm:WNNM", "weighted nuclear norm minimisation of groups of similar patches",
                "Gu, Zhang, Zuo & Feng, Weighted nuclear norm minimization with application to image denoising, CVPR 2014", ("denoise",)),
    "ncsr": Row("restore.methods.ncsr:NCSR", "sparse codes in dictionaries of the picture's own clusters, drawn towards those of similar patches",
                "Dong, Zhang, Shi & Li, Nonlocally centralized sparse representation for image restoration, TIP 2013", ("denoise",)),
    "ivst": Row("restore.methods.ivst:IVST", "variance stabilisation in rounds, counts and estimate mixed, in bins at first",
                "Azzari & Foi, Variance stabilization for noisy+estimate combination in iterative Poisson denoising, SPL 2016", ("denoise",),
                noises=("poisson",), parts={"denoiser": "drunet"}),
    "vst": Row("restore.methods.vst:VST", "variance stabilisation, a Gaussian denoiser, exact unbiased inverse",
               "Makitalo & Foi, Optimal inversion of the generalized Anscombe transformation for Poisson-Gaussian noise, TIP 2013", ("denoise",),
               noises=("poisson", "poisson-gaussian"), parts={"denoiser": "drunet"}),
    "pclr": Row("restore.methods.pclr:PCLR", "patches clustered under a mixture, low-rank approximation of each cluster",
                "Chen, Zhang & Yu, External patch prior guided internal clustering for image denoising, ICCV 2015", ("denoise",), trained=True),
    "pgpd": Row("restore.methods.pgpd:PGPD", "groups of similar patches under a mixture learned from groups",
                "Xu, Zhang, Zuo, Zhang & Feng, Patch group based nonlocal self-similarity prior learning for image denoising, ICCV 2015", ("denoise",), trained=True),
    "denoisenet": Row("restore.methods.denoisenet:DenoiseNet", "every layer adds its part of the residual",
                      "Remez, Litany, Giryes & Bronstein, Deep convolutional denoising of low-light images, SampTA 2017", ("denoise",), noises=("poisson",), trained=True),
    "mlp": Row("restore.methods.mlp:MLP", "a multilayer perceptron from patch to patch",
               "Burger, Schuler & Harmeling, Image denoising: can plain neural networks compete with BM3D?, CVPR 2012", ("denoise",), trained=True),
    "autoencoder": Row("restore.methods.autoencoder:AutoEncoder", "down to an eighth of the resolution and up again, without skips",
                       "Vincent, Larochelle, Lajoie, Bengio & Manzagol, Stacked denoising autoencoders, JMLR 2010", ("denoise",),
                       args={"channels": 1}, trained=True),
    "csc": Row("restore.methods.csc:CSC", "convolutional sparse coding with a dictionary learned from the noisy picture alone", CODES, ("denoise",)),
    "csc-clean": Row("restore.methods.csc:CSC", "convolutional sparse coding with a dictionary learned from clean pictures", CODES, ("denoise",), args={"rounds": 0}, trained=True),
    "csc-net": Row("restore.methods.csc:LearnedCSC", "one iteration of sparse coding per layer", CODES, ("denoise",), trained=True),
    "demosaicnet": Row("restore.methods.demosaicnet:DemosaicNet", "demosaicing and denoising at once on the packed mosaic, told the noise; the default where it is trained",
                       "Gharbi, Chaurasia, Paris & Durand, Deep joint demosaicking and denoising, SIGGRAPH Asia 2016", ("isp",), noises=("none", "poisson-gaussian"),
                       parts={"start": "malvar"}, trained=True),
    "deepisp-low": Row("restore.methods.deepisp:LowLevel", "demosaicing and denoising at once, the low-level half of DeepISP", DEEPISP,
                       ("isp",), noises=("none", "poisson-gaussian"), parts={"start": "bilinear"}, trained=True),
    "menon": Row("restore.methods.menon:Menon", "demosaicing along the better of two directions",
                 "Menon, Andriani & Calvagno, Demosaicing with directional filtering and a posteriori decision, TIP 2007", ("isp",),
                 noises=("none", "poisson-gaussian")),
    "malvar": Row("restore.methods.malvar:Malvar", "demosaicing by linear filters of 5 x 5",
                  "Malvar, He & Cutler, High-quality linear interpolation for demosaicing of Bayer-patterned color images, ICASSP 2004", ("isp",),
                  noises=("none", "poisson-gaussian")),
    "fba": Row("restore.methods.fba:FBA", "of every frequency, what the frames that it survived in have of it",
               "Delbracio & Sapiro, Burst deblurring: removing camera shake through Fourier burst accumulation, CVPR 2015", ("burst",)),
    "wieschollek": Row("restore.methods.wieschollek:Wieschollek", "FBA whose weights, and filters for each frame, a network finds; for shakes as it was trained on: it sharpens too much after others",
                       "Wieschollek, Schoelkopf, Lensch & Hirsch, End-to-end learning for image burst deblurring, ACCV 2016", ("burst",), trained=True),
    "hdrplus": Row("restore.methods.hdrplus:HDRPlus", "the mean of frames as far as they differ by noise alone; the default for mosaics",
                   "Hasinoff et al., Burst photography for high dynamic range and low-light imaging on mobile cameras, SIGGRAPH Asia 2016", ("burst",)),
    "mean": Row("restore.methods.mean:Mean", "the kappa-sigma clipped mean of steady frames", "Stetson, DAOPHOT: a computer program for crowded-field stellar photometry, PASP 1987",
                ("burst",)),
    "sharpest": Row("restore.methods.sharpest:Sharpest", "lucky imaging: the sharpest frame alone",
                    "Fried, Probability of getting a lucky short-exposure image through turbulence, JOSA 1978", ("burst",)),
    "bilinear": Row("restore.methods.bilinear:Bilinear", "demosaicing by means of neighbours", "the textbooks'", ("isp",), noises=("none", "poisson-gaussian")),
    "deepisp": Row("restore.methods.deepisp:DeepISP", "from the mosaic to the picture by one network", DEEPISP, ("isp",), noises=("none", "poisson-gaussian"),
                   parts={"start": "bilinear"}, trained=True),
    "ml-csc": Row("restore.methods.csc:LayeredCSC", "codes of codes: layered thresholding, layered pursuit or ML-ISTA", CODES, ("denoise",), trained=True),
    "varnet": Row("restore.methods.varnet:VarNet", "steps towards the data, each with a learned regulariser",
                  "Sriram et al., End-to-end variational networks for accelerated MRI reconstruction, MICCAI 2020", ("mri",), trained=True),
    "fastmri-unet": Row("restore.methods.fastmri_unet:FastMRIUNet", "U-Net on the zero-filled magnitude; runs whole, for it normalises over the picture",
                        "Zbontar et al., fastMRI: an open dataset and benchmarks for accelerated MRI, arXiv 1811.08839, 2018", ("mri",), trained=True),
    "cswavelet": Row("restore.methods.cswavelet:WaveletCS", "sparse wavelet coefficients, with coil sensitivities where there are several coils",
                     "Lustig, Donoho & Pauly, Sparse MRI: the application of compressed sensing for rapid MR imaging, MRM 2007", ("mri",)),
    "cgsense": Row("restore.methods.cgsense:CGSense", "sensitivity encoding by conjugate gradients: several coils",
                   "Pruessmann, Weiger, Boernert & Boesiger, Advances in sensitivity encoding with arbitrary k-space trajectories, MRM 2001", ("mri",)),
    "zerofill": Row("restore.methods.zerofill:ZeroFilled", "what was not measured is 0; coils by the root of the sum of squares",
                    "Roemer, Edelstein, Hayes, Souza & Mueller, The NMR phased array, MRM 1990", ("mri",)),
    "usrnet": Row("restore.methods.usrnet:USRNet", "a few rounds of plug-and-play, trained together for their task; the default where it is trained",
                  "Zhang, Van Gool & Timofte, Deep unfolding network for image super-resolution, CVPR 2020", ("cs", "deblur", "inpaint"), trained=True),
    "istanet": Row("restore.methods.istanet:ISTANet", "the iterations of ISTA as layers",
                   "Zhang & Ghanem, ISTA-Net: interpretable optimization-inspired deep network for image compressive sensing, CVPR 2018", ("cs",), trained=True),
    "fbp": Row("restore.methods.fbp:FBP", "filtered back-projection, parallel and fan", "Kak & Slaney, Principles of computerized tomographic imaging, 1988",
               ("ct",), noises=("none", "transmission", "gaussian")),
    "pnp": Row("restore.methods.pnp:PnP", "half-quadratic splitting with a denoiser as the prior", PNP, ("deblur", "sr", "inpaint", "cs", "mri", "ct"), parts={"denoiser": "drunet"}),
    "ksvd": Row("restore.methods.ksvd:KSVD", "sparse codes in a dictionary learned from the noisy picture, first a DCT",
                "Elad & Aharon, Image denoising via sparse and redundant representations over learned dictionaries, TIP 2006", ("denoise", "inpaint")),
    "epll": Row("restore.methods.epll:EPLL", "patches under a mixture of 200 Gaussians, half-quadratic splitting",
                "Zoran & Weiss, From learning models of natural image patches to whole image restoration, ICCV 2011", ("denoise", "deblur"), trained=True, prior=True),
    "deblurnet": Row("restore.methods.drunet:DRUNet", "U-Net from shaken to steady, for shakes that nobody knows", PNP, ("deblur",), trained=True),
    "tv": Row("restore.methods.tv:TV", "total variation, any operator",
              "Beck & Teboulle, Fast gradient-based algorithms for constrained total variation image denoising and deblurring problems, TIP 2009",
              ("deblur", "sr", "inpaint", "denoise", "mri", "ct")),
    "biharmonic": Row("restore.methods.biharmonic:Biharmonic", "holes closed as a thin plate would",
                      "Damelin & Hoang, On surface completion and image inpainting by biharmonic functions: numerical aspects, IJMMS 2018", ("inpaint",)),
    "wiener": Row("restore.methods.wiener:Wiener", "Wiener's filter with the spectrum of photographs",
                  "Wiener, Extrapolation, interpolation and smoothing of stationary time series, 1949", ("deblur",)),
    "richardson-lucy": Row("restore.methods.richardson_lucy:RichardsonLucy", "multiplicative, non-negative, stopped early",
                           "Richardson, Bayesian-based iterative method of image restoration, JOSA 1972", ("deblur",)),
    "deblock": Row("restore.methods.deblock:Deblock", "a denoiser told how coarse the tables are, then back to what the file allows",
                   "Foi, Katkovnik & Egiazarian, Pointwise shape-adaptive DCT for high-quality denoising and deblocking of grayscale and color images, TIP 2007",
                   ("jpeg",), parts={"denoiser": "drunet"}),
    "ista": Row("restore.methods.ista:ISTA", "sparse wavelet coefficients by FISTA",
                "Beck & Teboulle, A fast iterative shrinkage-thresholding algorithm for linear inverse problems, SIIMS 2009", ("cs",)),
    "bicubic": Row("restore.methods.bicubic:Bicubic", "interpolation alone",
                   "Keys, Cubic convolution interpolation for digital image processing, TASSP 1981", ("sr",)),
    "sirt": Row("restore.methods.sirt:SIRT", "simultaneous iterative reconstruction, non-negative, stopped early",
                "Gilbert, Iterative methods for the three-dimensional reconstruction of an object from projections, J. Theor. Biol. 1972", ("ct",),
                noises=("none", "transmission", "gaussian")),
    "cgls": Row("restore.methods.cgls:CGLS", "conjugate gradients on the normal equations, stopped early",
                "Hestenes & Stiefel, Methods of conjugate gradients for solving linear systems, 1952", ("ct",), noises=("none", "transmission", "gaussian")),
}
