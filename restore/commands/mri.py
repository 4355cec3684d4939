"""`restore mri`: y = M F S x, from the samples of k-space to pictures."""

from typing import Annotated

from restore import options


def mri(
    files: options.Inputs = None,
    model: Annotated[str | None, options.own("--model", "-m", help="zerofill, cgsense, cswavelet ...; the best that covers the acceleration if not given.", metavar="NAME[.TAG]")] = None,
    slices: Annotated[str | None, options.own("--slices", help="Only these, counted from 0: 12, or 10-20.", metavar="N|FROM-TO")] = None,
    compare: Annotated[bool, options.own("--compare", help="Also write NAME.compare.png of the middle slice: full, log of k-space, zero-filled, reconstruction.")] = False,
    output: options.Output = None,
    overwrite: options.Overwrite = False,
    skip_existing: options.SkipExisting = False,
    from_file: options.FromFile = None,
    null: options.Nul = False,
    device: options.Device = "auto",
    dry_run: options.DryRun = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> int:
    """Reconstruct magnetic resonance pictures from k-space.

    restore mri kspace.h5 -o image.nii.gz reads the HDF5 of fastMRI and of ISMRMRD, or a .npy of (slice, coil, ky, kx), and writes NIfTI, DICOM, PNG, TIFF,
    NumPy or HDF5 by the suffix. restore mri info kspace.h5 tells what a file holds.
    """
    from restore import scanning
    from restore.batch import Files
    from restore.engine.run import Settings
    from restore.jobs import mri as work
    from restore.measure import panels
    from restore.names import compared, none
    from restore.values import parse_value

    if files and files[0] == "info":
        return scanning.info(files[1:], "kspace", work.facts, json)
    job = work.Reconstruction(model, Settings(device), parse_value(slices, "slices"))
    files_ = Files(files, output, overwrite, skip_existing, from_file, null, dry_run, json, quiet)
    return scanning.run("mri", job, files_, after=(lambda done: panels.write(compared(done.names.target), job.views(done.scan, done.result), overwrite)) if compare else None,
                        beside=(lambda one: [compared(one.target)]) if compare else none)
