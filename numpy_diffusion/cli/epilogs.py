"""What stands below the help of each command: commands to copy, and what is good to know."""

from __future__ import annotations

from typing import Final

EXAMPLES: Final = """\
examples:
  numpy-diffusion train --data spiral --out runs/spiral
  numpy-diffusion train --data digits --out runs/digits
  numpy-diffusion sample runs/spiral -n 4096 -o x.npy
  numpy-diffusion figure runs/spiral -o spiral.png --gif spiral.gif
  numpy-diffusion info runs/spiral
  numpy-diffusion text2image runs/scenes/pipeline "a big red plane on the left" -o plane.png
  numpy-diffusion dalle2 runs/dalle2/pipeline "a small green tank at the bottom" -o tank.png
  numpy-diffusion check lab5 my_sampler.py
  numpy-diffusion compile

Each command has its own --help.  Exit status: 0, 2 after an error, 130 after Ctrl-C
and 128 + n after another signal n that asks to end, as Slurm and docker send; 1 of
`check` where something is not right."""

TRAIN_EXAMPLES: Final = """\
examples:
  numpy-diffusion train --data airplane --out runs/airplane
  numpy-diffusion train --data photo.png --n 20000 --out runs/photo
  numpy-diffusion train --data points.csv --steps 20000 --schedule cosine --out runs/points
  numpy-diffusion train --data mnist --channels 32,64,64 --preview --out runs/mnist
  numpy-diffusion train --data photos/ --mirror --steps 20000 --out runs/photos
  numpy-diffusion train --out runs/points --resume

Ctrl-C keeps what was trained, as do SIGTERM and SIGHUP.  --resume takes every setting from the run's folder and ends
with the weights, to the bit, that the run would have had without the interruption; a setting given along with it must
be what it was.  Only --steps may be more, where the run is finished: it then goes on."""

SAMPLE_EXAMPLES: Final = """\
examples:
  numpy-diffusion sample runs/spiral -n 4096 -o x.npy
  numpy-diffusion sample runs/spiral -o x.csv --method ddim --steps 50
  numpy-diffusion sample runs/spiral -n 4096 --first 4096 -o more.npy    (the next 4096 of the same seed)
  numpy-diffusion sample runs/mnist -n 64 --label 7 --guidance 3 -o sevens.png

Sample i of a seed is the same, to the bit, whatever -n is and on any number of threads.  Of images the x_0 that the
network sees is kept in -1..1 at every step."""

FIGURE_EXAMPLES: Final = """\
examples:
  numpy-diffusion figure runs/spiral                                      (writes runs/spiral/figure.png)
  numpy-diffusion figure runs/spiral --gif spiral.gif --html spiral.html  (the page has a slider over t)"""

TEXT_EXAMPLES: Final = """\
examples:
  numpy-diffusion text2image runs/scenes/pipeline "a big red plane on the left" -n 8 -o planes.png
  numpy-diffusion text2image stable-diffusion-v1-5 "a red plane" -n 1 --guidance 6.5 -o plane.png

RUN is a folder that examples/latent_scenes.py or LatentPipeline.to_diffusers wrote, or diffusers'
StableDiffusionPipeline.  Picture i of a seed and a text is the same, to the bit, whatever -n is."""

DALLE_EXAMPLES: Final = """\
examples:
  numpy-diffusion dalle2 runs/dalle2/pipeline "a small green tank at the bottom" -n 8 -o tanks.png
  numpy-diffusion dalle2 runs/dalle2/pipeline "a red star" --stage 0 --decoder-guidance 1 -o star.png
  numpy-diffusion dalle2 karlo-v1-alpha "a red star" -n 1 --prior-guidance 3 --decoder-guidance 7 -o star.png

RUN is a folder that UnCLIP.to_diffusers wrote, or diffusers' UnCLIPPipeline.  Picture i of a seed and a text is the
same, to the bit, whatever -n is."""

COMPILE_EXAMPLES: Final = """\
Else each kernel is compiled when it is first needed.  Numba keeps them beside the package's source, or in the folder
that NUMBA_CACHE_DIR names: for instance when the image of a container is built.

examples:
  numpy-diffusion compile
  NUMBA_CACHE_DIR=/opt/kernels numpy-diffusion compile"""

CHECK_EXAMPLES: Final = """\
FILE is run, all but what stands below `if __name__ == "__main__"`: check only what you would
run.  It is to define the functions of the lab.  A table tells what is right in each, a sentence the likely slip.
Exit status: 0 where all is right, 1 where something is not.

  lab1  betas, alpha_bars, q_sample         lab4  loss, adam_step
  lab2  posterior, kl                       lab5  ancestral, ddim
  lab3  forward, backward                   lab6  guided_eps, importance_weighted

examples:
  numpy-diffusion check lab1 examples/course/lab1.py
  numpy-diffusion check lab5 my_sampler.py"""
